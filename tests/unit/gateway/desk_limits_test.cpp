// What the desk does at its edges: late sends, records that do not answer, apps that leave, upstreams that
// come late, memory that is full.
#include "daemon/gateway/desk_look_ups.hpp"
#include "tests/unit/gateway/desk_fixture.hpp"

#include <memory>

namespace bridge55::gateway {
namespace {

using What = Meeting::What;

TEST_F(DeskTest, NotPlacedIsSaidAfterTheTimeOfWhatLeftLate) {
  line.script = {{What::lost_before, 0, "", "", 300ms}};  // longer than an order's time, the pause included
  open_desk();
  const DeskAnswer answer = trade({kA});
  EXPECT_EQ(code(answer), "BAD_GATEWAY");
  ASSERT_EQ(line.left_at.size(), 1u);
  EXPECT_GE(line.looked_up_at.back(), line.left_at[0] + 260ms);
}

TEST_F(DeskTest, WhatIsSentAgainDoesNotWaitBeyondTheOrdersTime) {
  line.script = {{What::lost_before, 0, "", ""}, {What::ok, 0, "", "", 300ms}};
  open_desk();
  DeskRequest what = request(body_of({kA}));
  what.max_wait = 5s;
  const DeskAnswer answer = place(what);
  EXPECT_EQ(code(answer), "BAD_GATEWAY");
  ASSERT_EQ(line.placed.size(), 2u);
  EXPECT_LE(line.placed[1].leave_until, line.left_at[0] + 200ms);
  EXPECT_EQ(line.placed[1].wait_until, line.placed[1].leave_until);
  EXPECT_EQ(line.left_at.size(), 1u);
}

TEST_F(DeskTest, AnAppThatLeavesTakesItsPlacementOutOfTheQueue) {
  line.script = {{What::ok, 0, "", "", 1min}, {What::ok, 0, "", "", 1min}};
  open_desk();
  bool gone = false;
  DeskRequest what = request(body_of({kA}));
  what.gone = [&gone] { return gone; };
  const auto left = begin(what), stays = begin(request(body_of({kB})));
  ASSERT_TRUE(until([&] { return line.placed.size() == 2; }));
  desk->someone_left();
  EXPECT_FALSE(until([&] { return left->has_value(); }, 30ms)) << "it has not gone yet";
  gone = true;
  desk->someone_left();
  ASSERT_TRUE(until([&] { return left->has_value(); }));
  EXPECT_EQ((*left)->refusal->sent, "no");
  EXPECT_FALSE(stays->has_value());
  EXPECT_EQ(stored.begin()->second.orders.at(0).fate, Fate::unsent);
  EXPECT_TRUE(line.left_at.empty());
}

TEST_F(DeskTest, TheStoryOfATradeUnderWayNeedsNoRecord) {
  line.script = {{What::hang, 0, "", ""}};
  open_desk();
  options.look_up_within = 20ms;
  const auto answer = begin(request(body_of({kA})));
  ASSERT_TRUE(until([&] { return line.placed.size() == 1; }));
  record_is_deaf = true;
  const auto told = story(kA, "executor");
  ASSERT_TRUE(told);
  EXPECT_EQ(json::find(*told, "fate"), "\"unknown\"");
}

TEST_F(DeskTest, AStoryThatCouldNotBeReadIsNoneThatIsNotThere) {
  options.look_up_within = 20ms;
  open_desk();
  Story none = ask_story(kA, "executor");
  EXPECT_TRUE(none.asked);
  EXPECT_FALSE(none.json);
  record_is_deaf = true;
  none = ask_story(kA, "executor");
  EXPECT_FALSE(none.asked);
  EXPECT_FALSE(none.json);
}

TEST_F(DeskTest, OpenTradesOfAnUpstreamThatComesLaterAreLookedUpThen) {
  ScriptedLine late(io);
  late.taken = {kA};
  open_desk();
  TradeRecord record;
  record.id = 41;
  record.upstream = "abp2";
  record.app = "executor";
  record.at = wall_now();
  record.body = body_of({kA});
  record.orders = {{kA, Fate::open, {}}};
  stored[41] = record;
  desk->restore({{kA, "abp2", "executor", 41, record.at, Fate::open}}, 41);
  desk->resume({record});
  EXPECT_EQ(desk->open(), 0u);
  desk->attach("abp2", late, bridge55::abp::placements());
  EXPECT_EQ(desk->open(), 1u);
  ASSERT_TRUE(until([&] { return desk->open() == 0; }));
  EXPECT_EQ(stored[41].orders.at(0).fate, Fate::placed);
  EXPECT_TRUE(late.placed.empty());
}

TEST_F(DeskTest, RefusedPlacementsDoNotPushRealOnesOutOfMemory) {
  options.memory = 2;
  options.look_up_within = 20ms;
  open_desk();
  trade({kA});
  for (int i = 0; i < 5; ++i) {
    line.script = {{What::unsent, 0, "", "PAUSED"}};
    EXPECT_EQ(code(trade({kB})), "PAUSED");
  }
  record_is_deaf = true;
  EXPECT_EQ(trade({kA}, "another app").refusal->status, 409u) << "memory knows it without the record";
  EXPECT_EQ(trade({kC}).status, 200u);
}

TEST_F(DeskTest, WhatWasRefusedBeforeARestartTakesNoRoom) {
  options.memory = 1;
  options.look_up_within = 20ms;
  open_desk();
  const WallMicros now = wall_now();
  desk->restore(
      {{kA, "abp", "executor", 1, now, Fate::placed}, {kB, "abp", "executor", 2, now, Fate::unsent}}, 2);
  record_is_deaf = true;
  EXPECT_EQ(trade({kA}, "another app").refusal->status, 409u);
}

TEST_F(DeskTest, AnAppsOwnTimeLimitIsNotBlamedOnTheJournal) {
  disk_is_slow = true;
  options.intent_within = 2s;
  open_desk();
  DeskRequest what = request(body_of({kA}));
  what.deadline = SteadyClock::now() + 20ms;
  const DeskAnswer answer = place(what);
  EXPECT_EQ(code(answer), "TIMEOUT");
  EXPECT_EQ(answer.refusal->status, 504u);
  EXPECT_EQ(answer.refusal->sent, "no");
  EXPECT_EQ(events(), "REFUSED");
}

TEST_F(DeskTest, AStopWhileTheIntentWaitsForTheDiskSaysSo) {
  disk_is_slow = true;
  options.intent_within = 5s;
  open_desk();
  const auto answer = begin(request(body_of({kA})));
  ASSERT_TRUE(until([&] { return undurable.size() == 1; }));
  desk->stop();
  ASSERT_TRUE(until([&] { return answer->has_value(); }));
  EXPECT_EQ(code(**answer), "DRAINING");
  EXPECT_EQ((*answer)->refusal->status, 503u);
  EXPECT_TRUE(line.placed.empty());
}

TEST_F(DeskTest, ARecordThatCannotBeReadIsNotCalledALookUpUnderWay) {
  options.look_up_within = 20ms;
  open_desk();
  trade({kA});
  ASSERT_TRUE(until([&] { return desk->open() == 0; }));
  record_is_deaf = true;
  const DeskAnswer answer = trade({kA});
  EXPECT_EQ(code(answer), "OUTCOME_UNKNOWN");
  EXPECT_EQ(detail(answer, "unknown"), "[\"" + kA + "\"]");
  EXPECT_EQ(answer.refusal->message.find("being looked up"), std::string::npos);
  EXPECT_NE(answer.refusal->message.find("could not be read"), std::string::npos);
  EXPECT_EQ(line.placed.size(), 1u);
}

TEST_F(DeskTest, WhatIsOnRecordIsToldBesideWhatIsUnknownAtTheDeadline) {
  open_desk();
  trade({kB});
  line.script = {{What::lost_after, 0, "", ""}};
  line.look_ups_fail = true;
  DeskRequest what = request(body_of({kA}));
  what.deadline = SteadyClock::now() + 100ms;
  EXPECT_EQ(code(place(what)), "OUTCOME_UNKNOWN");
  what = request(body_of({kA, kB}));
  what.deadline = SteadyClock::now() + 30ms;
  const DeskAnswer answer = place(what);
  EXPECT_EQ(detail(answer, "unknown"), "[\"" + kA + "\"]");
  EXPECT_EQ(detail(answer, "placed"), "[\"" + kB + "\"]");
  EXPECT_NE(answer.refusal->message.find("being looked up"), std::string::npos);
}

TEST_F(DeskTest, WhatWasSentToOneAccountIsNeitherSentToAnotherNorCalledNotPlacedByIt) {
  line.script = {{What::hang, 0, "", ""}};
  open_desk();
  DeskRequest what = request(body_of({kA}));
  what.deadline = SteadyClock::now() + 600ms;  // long after the order's time
  const auto answer = begin(what);
  ASSERT_TRUE(until([&] { return line.placed.size() == 1; }));
  line.whose = "the second";
  line.taken.clear();
  ASSERT_TRUE(until([&] { return answer->has_value(); }));
  EXPECT_EQ(code(**answer), "OUTCOME_UNKNOWN");
  EXPECT_EQ(line.placed.size(), 1u);
  EXPECT_EQ(desk->open(), 1u);
  line.whose = "the first";
  line.taken = {kA};
  ASSERT_TRUE(until([&] { return desk->open() == 0; }));
  EXPECT_EQ(stored.begin()->second.orders.at(0).fate, Fate::placed);
}

// Waits of every kind are under way; the loop that holds their coroutines goes last.
TEST(Desk, ItMayBeGoneBeforeTheCoroutinesThatTheLoopStillHolds) {
  std::optional<boost::asio::io_context> io(std::in_place);
  ScriptedLine line(*io);
  line.script = {{What::hang, 0, "", ""}, {What::ok, 0, "", "", 1min}};
  Records records;
  records.store = [&](TradeRecord, std::function<void()> durable) {
    if (durable && line.placed.size() < 2) boost::asio::post(*io, std::move(durable));
  };
  records.read = [](std::string, std::function<void(std::optional<TradeRecord>)>) {};
  std::optional<Desk> desk(std::in_place, *io, std::move(records), [](std::string_view, std::string_view) {});
  desk->attach("abp", line, bridge55::abp::placements());
  const auto place = [](Desk& at, std::string uuid) -> net::awaitable<void> {
    DeskRequest request;
    request.upstream = "abp";
    request.body = body_of({uuid});
    request.deadline = SteadyClock::now() + 1min;
    co_await at.place(std::move(request));
  };
  const auto tell = [](Desk& at) -> net::awaitable<void> { co_await at.story("of none", "", true); };
  for (const std::string& uuid : {kA, kB, kC}) {
    boost::asio::co_spawn(*io, place(*desk, uuid), boost::asio::detached);
    io->poll();
    io->restart();
  }
  TradeRecord open;
  open.id = 1;
  open.upstream = "abp";
  open.body = body_of({kA});
  open.orders = {{kA, Fate::open, {}}};
  line.look_ups_fail = true;  // it waits for the next one
  desk->resume({open});
  boost::asio::co_spawn(*io, tell(*desk), boost::asio::detached);
  io->poll();
  EXPECT_EQ(desk->open(), 4u);
  desk.reset();
  io.reset();
  EXPECT_EQ(line.placed.size(), 2u);
}

// A line on which every look-up waits for its release.
class SlowLine final : public Line {
 public:
  explicit SlowLine(boost::asio::io_context& io) : released(io) {}
  net::awaitable<Reply> place(Placing) override { co_return Reply{}; }
  net::awaitable<Reply> look_up(std::string target, SteadyTime deadline) override {
    asked.push_back(std::move(target));
    std::function<bool()> there = [this] { return free; };
    co_await released.wait(std::move(there), deadline);
    Reply reply;
    reply.status = 200;
    reply.body = R"({"orders":[]})";
    co_return reply;
  }
  std::vector<std::string> asked;
  bool free = false;
  Bell released;
};

TEST(LookUps, AQuestionThatNobodyWaitsForIsNotAsked) {
  boost::asio::io_context io;
  SlowLine line(io);
  const auto look_ups = std::make_shared<LookUps>(io, bridge55::abp::placements(), 10s);
  look_ups->set_line(&line);
  int answered = 0;
  const auto ask = [&](std::string uuid, std::chrono::milliseconds within) {
    const auto find = [](LookUps& at, std::string of, SteadyTime deadline,
                         int& count) -> net::awaitable<void> {
      std::vector<std::string> uuids(1, std::move(of));
      co_await at.find(std::move(uuids), deadline);
      ++count;
    };
    boost::asio::co_spawn(io, find(*look_ups, std::move(uuid), SteadyClock::now() + within, answered),
                          boost::asio::detached);
    io.restart();
    io.poll();
  };
  for (const char* uuid : {"a", "b", "c", "d"})
    ask(uuid, 10s);
  ASSERT_EQ(line.asked.size(), 4u);
  ask("abandoned", 5ms);
  while (answered == 0) {
    io.restart();
    io.run_one_for(10ms);
  }
  line.free = true;
  line.released.ring();
  while (answered < 5) {
    io.restart();
    io.run_one_for(10ms);
  }
  EXPECT_EQ(line.asked.size(), 4u);
}

}  // namespace
}  // namespace bridge55::gateway
