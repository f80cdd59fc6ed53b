#include "tests/unit/gateway/desk_fixture.hpp"

namespace bridge55::gateway {
namespace {

using What = Meeting::What;

TEST_F(DeskTest, APlacementIsOnRecordBeforeItLeavesAndItsAnswerPassesByteForByte) {
  open_desk();
  const std::string body = "{ \"orders\" : [" + order_json(kA) + "] }\n";
  bool on_record = false;
  line.on_place = [&] {
    on_record = stored.size() == 1 && stored.begin()->second.open && stored.begin()->second.body == body;
  };
  const auto answer = begin(request(body));
  ASSERT_TRUE(until([&] { return answer->has_value(); }));
  EXPECT_TRUE(on_record);
  EXPECT_EQ(line.placed[0].body, body);
  EXPECT_EQ(line.placed[0].app, "executor");
  EXPECT_EQ(line.placed[0].request_id, "r-1");
  EXPECT_FALSE((*answer)->refusal);
  EXPECT_EQ((*answer)->status, 200u);
  EXPECT_EQ((*answer)->body,
            R"({"status":"as upstream says", "acceptedOrders":[)" + row_of(kA) + R"(],"declinedOrders":[]})");
  EXPECT_EQ(header(**answer, "X-Of-Upstream"), "1");
  EXPECT_EQ(header(**answer, "X-Bridge-Settled"), "");
  EXPECT_EQ((*answer)->attempts, 1u);
  EXPECT_TRUE(line.looked_up.empty());
  ASSERT_TRUE(until([&] { return desk->open() == 0; }));
  EXPECT_EQ(events(), "INTENT SENT ANSWERED");
  const TradeRecord& record = stored.begin()->second;
  EXPECT_FALSE(record.open);
  EXPECT_EQ(record.status, 200u);
  EXPECT_EQ(record.answer, (*answer)->body);
  EXPECT_EQ(record.orders.at(0).fate, Fate::placed);
}

TEST_F(DeskTest, EventsCarryTheBytesOfBodyAndAnswer) {
  open_desk();
  trade({kA});
  for (const auto& [event, payload] : said) {
    EXPECT_EQ(json::find(payload, "body"), body_of({kA})) << event;
    EXPECT_EQ(json::find(payload, "uuids"), "[\"" + kA + "\"]");
    EXPECT_EQ(json::find(payload, "app"), "\"executor\"");
    EXPECT_EQ(json::find(payload, "upstream"), "\"abp\"");
    EXPECT_EQ(json::find(payload, "request_id"), "\"r-1\"");
  }
  EXPECT_EQ(json::find(said.back().second, "answer.status"), "200");
  EXPECT_EQ(json::find(said.back().second, "answer.body.status"), "\"as upstream says\"");
}

TEST_F(DeskTest, WhatIsNoPlacementIsRefusedBeforeAnythingLeaves) {
  open_desk();
  DeskRequest packed = request(body_of({kA}));
  packed.headers.emplace_back("content-ENCODING", "gzip");
  for (DeskRequest& bad :
       std::vector<DeskRequest>{packed, request("{"), request(R"({"orders":[{}]})"), request("")}) {
    const DeskAnswer answer = place(bad);
    ASSERT_TRUE(answer.refusal);
    EXPECT_EQ(answer.refusal->status, 422u);
    EXPECT_EQ(code(answer), "BAD_REQUEST");
    EXPECT_EQ(answer.refusal->sent, "no");
  }
  EXPECT_TRUE(line.placed.empty());
  EXPECT_TRUE(stored.empty());
  EXPECT_EQ(events(), "REFUSED REFUSED REFUSED REFUSED");
  EXPECT_EQ(json::find(said.at(1).second, "body"), "\"{\"");
}

TEST_F(DeskTest, AnAnswerIsNeverAskedForPacked) {
  open_desk();
  DeskRequest what = request(body_of({kA}));
  what.headers.emplace_back("ACCEPT-Encoding", "gzip, br");
  place(what);
  const std::vector<std::pair<std::string, std::string>> expected = {{"Content-Type", "application/json"},
                                                                     {"Accept-Encoding", "identity"}};
  EXPECT_EQ(line.placed.at(0).headers, expected);
}

TEST_F(DeskTest, WithoutAJournalThereIsNoTrade) {
  disk_is_slow = true;
  open_desk();
  const DeskAnswer answer = trade({kA});
  ASSERT_TRUE(answer.refusal);
  EXPECT_EQ(answer.refusal->status, 503u);
  EXPECT_EQ(code(answer), "JOURNAL_UNAVAILABLE");
  EXPECT_TRUE(line.placed.empty());
  EXPECT_EQ(events(), "REFUSED");
  // The intent may become durable late: the record behind it says that nothing was sent.
  EXPECT_EQ(stored.begin()->second.orders.at(0).fate, Fate::unsent);
  EXPECT_FALSE(stored.begin()->second.open);
  for (const auto& durable : undurable)
    durable();
  disk_is_slow = false;
  EXPECT_EQ(trade({kA}).status, 200u);
  EXPECT_EQ(line.sent[kA], 1);
}

TEST_F(DeskTest, AStuckJournalIsNotFedWithoutEnd) {
  disk_is_slow = true;
  options.intent_within = 1ms;
  open_desk();
  std::vector<std::shared_ptr<std::optional<DeskAnswer>>> answers;
  for (int i = 0; i < 1500; ++i)
    answers.push_back(begin(request(body_of({kA.substr(0, 32) + std::to_string(1000 + i)}))));
  ASSERT_TRUE(until([&] {
    return std::all_of(answers.begin(), answers.end(), [](const auto& one) { return one->has_value(); });
  }));
  EXPECT_EQ(undurable.size(), 1024u);
  EXPECT_EQ(code(**answers.back()), "JOURNAL_UNAVAILABLE");
  EXPECT_EQ(desk->open(), 0u);
}

TEST_F(DeskTest, WhatNeverLeftMayBeSentLaterWithTheSameUuid) {
  line.script = {{What::unsent, 0, "", "PAUSED"}, {What::unsent, 0, "", "QUEUE_TIMEOUT"}};
  open_desk();
  DeskAnswer answer = trade({kA});
  EXPECT_EQ(code(answer), "PAUSED");
  EXPECT_EQ(answer.refusal->status, 503u);
  EXPECT_EQ(answer.refusal->sent, "no");
  EXPECT_EQ(answer.attempts, 0u);
  EXPECT_EQ(header(answer, "Retry-After"), "2");
  answer = trade({kA});
  EXPECT_EQ(answer.refusal->status, 429u);
  EXPECT_EQ(trade({kA}, "another app").status, 200u);
  EXPECT_EQ(line.sent[kA], 1);
}

TEST_F(DeskTest, ALostAnswerIsFoundAndToldAsPlaced) {
  line.script = {{What::lost_after, 0, "", ""}};
  open_desk();
  const DeskAnswer answer = trade({kA, kB});
  EXPECT_EQ(answer.status, 200u);
  EXPECT_EQ(header(answer, "X-Bridge-Settled"), "true");
  EXPECT_EQ(header(answer, "Content-Type"), "application/json");
  EXPECT_EQ(answer.body, R"({"status":"accepted","acceptedOrders":[)" + row_of(kA) + "," + row_of(kB) +
                             R"(],"declinedOrders":[]})");
  EXPECT_EQ(events(), "INTENT SENT SETTLED");
  EXPECT_EQ(line.sent[kA], 1);
}

TEST_F(DeskTest, ASendingThatNeverArrivedIsRepeatedWithTheSameUuidsOnly) {
  line.script = {{What::lost_before, 0, "", ""}};
  line.taken = {kB};  // upstream had it from elsewhere
  open_desk();
  const DeskAnswer answer = trade({kA, kB});
  EXPECT_EQ(answer.status, 200u);
  EXPECT_EQ(answer.attempts, 2u);
  ASSERT_EQ(line.placed.size(), 2u);
  EXPECT_EQ(line.placed[0].body, body_of({kA, kB}));
  EXPECT_EQ(line.placed[1].body, body_of({kA}));
  EXPECT_EQ(header(answer, "X-Bridge-Settled"), "true");
}

TEST_F(DeskTest, ADuplicateDeclinedIsSettledAsPlaced) {
  line.taken = {kA};
  open_desk();
  const DeskAnswer answer = trade({kA, kB});
  EXPECT_EQ(answer.status, 200u);
  EXPECT_EQ(json::find(answer.body, "status"), "\"accepted\"");
  EXPECT_EQ(header(answer, "X-Bridge-Settled"), "true");
}

TEST_F(DeskTest, EveryPageOfALookUpIsRead) {
  line.script = {{What::lost_after, 0, "", ""}};
  line.page_size = 1;
  open_desk();
  const DeskAnswer answer = trade({kA, kB, kC});
  EXPECT_EQ(answer.status, 200u);
  EXPECT_EQ(line.looked_up.size(), 3u);
  EXPECT_EQ(json::find(answer.body, "status"), "\"accepted\"");
}

TEST_F(DeskTest, APageThatLeadsNowhereSettlesNothing) {
  for (int i = 0; i < 3; ++i)
    line.script.push_back({What::lost_before, 0, "", ""});
  line.page_leads_nowhere = true;
  open_desk();
  DeskRequest what = request(body_of({kA}));
  what.deadline = SteadyClock::now() + 500ms;  // long after the order's time
  EXPECT_EQ(code(place(what)), "OUTCOME_UNKNOWN");
  EXPECT_EQ(line.placed.size(), 1u);
}

TEST_F(DeskTest, AnOrderIsAskedForInTheSpellingThatWasSentAsWell) {
  line.script = {{What::lost_after, 0, "", ""}};
  open_desk();
  const std::string upper = "AAAAAAAA-0000-4000-8000-000000000001";
  const DeskAnswer answer = trade({upper});
  EXPECT_EQ(answer.status, 200u);
  EXPECT_EQ(json::find(answer.body, "acceptedOrders.0.requestUuid"), "\"" + upper + "\"");
  EXPECT_EQ(line.looked_up.at(0), "/orders?requestUuids=" + kA + "," + upper);
}

TEST_F(DeskTest, AClientErrorPassesAndIsKeptForTheSameUuid) {
  line.script = {{What::error_before, 422, R"({"detail":[{"loc":["body"]}]})", ""}};
  open_desk();
  const DeskAnswer first = trade({kA}), second = trade({kA});
  EXPECT_EQ(first.status, 422u);
  EXPECT_EQ(first.body, R"({"detail":[{"loc":["body"]}]})");
  EXPECT_EQ(second.status, 422u);
  EXPECT_EQ(second.body, first.body);
  EXPECT_EQ(second.attempts, 0u);
  EXPECT_EQ(line.placed.size(), 1u);
}

TEST_F(DeskTest, TheSameAppAgainGetsTheStoredAnswerByteForByte) {
  open_desk();
  const DeskAnswer first = trade({kA, kB}), second = trade({kB, kA});
  EXPECT_EQ(second.status, 200u);
  EXPECT_EQ(second.body, first.body);
  EXPECT_EQ(header(second, "Content-Type"), "application/json");
  EXPECT_EQ(line.placed.size(), 1u);
}

TEST_F(DeskTest, APartOfABatchAgainIsAnsweredFromTheRecord) {
  open_desk();
  trade({kA, kB});
  const DeskAnswer answer = trade({kB});
  EXPECT_EQ(answer.body,
            R"({"status":"accepted","acceptedOrders":[)" + row_of(kB) + R"(],"declinedOrders":[]})");
  EXPECT_EQ(line.placed.size(), 1u);
}

TEST_F(DeskTest, OfAMixedBatchOnlyTheNewOrdersAreSentAndTheAnswersMerged) {
  open_desk();
  trade({kA});
  const DeskAnswer answer = trade({kA, kB});
  EXPECT_EQ(line.placed.at(1).body, body_of({kB}));
  EXPECT_EQ(answer.body, R"({"status":"accepted","acceptedOrders":[)" + row_of(kA) + "," + row_of(kB) +
                             R"(],"declinedOrders":[]})");
  EXPECT_EQ(answer.attempts, 1u);
}

TEST_F(DeskTest, WhileItIsInFlightTheSameUuidWaitsForIt) {
  line.script = {{What::hang, 0, "", ""}};
  open_desk();
  const auto first = begin(request(body_of({kA})));
  ASSERT_TRUE(until([&] { return line.placed.size() == 1; }));
  const auto second = begin(request(body_of({kA})));
  EXPECT_FALSE(until([&] { return second->has_value() || first->has_value(); }, 30ms));
  line.release();
  ASSERT_TRUE(until([&] { return second->has_value() && first->has_value(); }));
  EXPECT_EQ((*second)->body, (*first)->body);
  EXPECT_EQ((*second)->status, 200u);
  EXPECT_EQ(line.placed.size(), 1u);
}

TEST_F(DeskTest, WhoWaitedForOneThatNeverLeftIsToldWhy) {
  disk_is_slow = true;
  options.intent_within = 2s;
  line.script = {{What::unsent, 0, "", "PAUSED"}};
  open_desk();
  const auto first = begin(request(body_of({kA})));
  ASSERT_TRUE(until([&] { return undurable.size() == 1; }));
  const auto second = begin(request(body_of({kA})));
  const auto mixed = begin(request(body_of({kA, kB})));
  ASSERT_TRUE(until([&] { return undurable.size() == 2; }));
  for (const auto& durable : undurable)
    durable();
  ASSERT_TRUE(until([&] { return first->has_value() && second->has_value() && mixed->has_value(); }));
  EXPECT_EQ(code(**first), "PAUSED");
  EXPECT_EQ(code(**second), "PAUSED");
  EXPECT_EQ(json::find((*mixed)->body, "status"), "\"partial-success\"");
  EXPECT_EQ(json::find((*mixed)->body, "acceptedOrders.0.requestUuid"), "\"" + kB + "\"");
  EXPECT_EQ(json::find((*mixed)->body, "declinedOrders.0.requestUuid"), "\"" + kA + "\"");
}

TEST_F(DeskTest, TwoUpstreamsDoNotShareTheirUuids) {
  ScriptedLine other(io);
  open_desk();
  desk->attach("abp2", other, bridge55::abp::placements());
  EXPECT_EQ(trade({kA}).status, 200u);
  DeskRequest what = request(body_of({kA}), "another app");
  what.upstream = "abp2";
  EXPECT_EQ(place(what).status, 200u);
  EXPECT_EQ(other.placed.size(), 1u);
}

TEST_F(DeskTest, AnotherAppWithTheSameUuidIsRefusedAndSeesNothing) {
  open_desk();
  trade({kA});
  said.clear();
  const DeskAnswer answer = trade({kB, kA}, "another app");
  ASSERT_TRUE(answer.refusal);
  EXPECT_EQ(answer.refusal->status, 409u);
  EXPECT_EQ(code(answer), "BAD_REQUEST");
  EXPECT_EQ(answer.refusal->message.find("executor"), std::string::npos);
  EXPECT_EQ(line.placed.size(), 1u);
  EXPECT_EQ(events(), "REFUSED");
  EXPECT_EQ(trade({kB}).status, 200u);
}

TEST_F(DeskTest, NotPlacedIsSaidWithTheUuidsOnceItIsCertain) {
  for (int i = 0; i < 100; ++i)
    line.script.push_back({What::lost_before, 0, "", ""});
  open_desk();
  const DeskAnswer answer = trade({kA, kB});
  ASSERT_TRUE(answer.refusal);
  EXPECT_EQ(answer.refusal->status, 502u);
  EXPECT_EQ(code(answer), "BAD_GATEWAY");
  EXPECT_EQ(detail(answer, "not_placed"), "[\"" + kA + "\",\"" + kB + "\"]");
  EXPECT_EQ(answer.refusal->sent, "maybe");
  EXPECT_EQ(header(answer, "X-Bridge-Settled"), "true");
  const std::size_t sent = line.placed.size();
  const DeskAnswer again = trade({kA, kB});
  EXPECT_EQ(code(again), "BAD_GATEWAY");
  EXPECT_EQ(line.placed.size(), sent);
}

TEST_F(DeskTest, NotPlacedIsSaidInUpstreamsOwnWordsIfItHadAny) {
  for (int i = 0; i < 100; ++i)
    line.script.push_back({What::error_before, 503, "<h1>busy", ""});
  open_desk();
  const DeskAnswer answer = trade({kA});
  EXPECT_FALSE(answer.refusal);
  EXPECT_EQ(answer.status, 503u);
  EXPECT_EQ(answer.body, "<h1>busy");
  EXPECT_EQ(header(answer, "X-Bridge-Settled"), "true");
  EXPECT_EQ(trade({kA}).body, "<h1>busy");
}

TEST_F(DeskTest, WhatCannotBeKnownInTimeIsUnknownAndFollowedToItsEnd) {
  line.script = {{What::lost_after, 0, "", ""}};
  line.look_ups_fail = true;
  open_desk();
  DeskRequest what = request(body_of({kA}));
  what.deadline = SteadyClock::now() + 150ms;
  const DeskAnswer answer = place(what);
  ASSERT_TRUE(answer.refusal);
  EXPECT_EQ(answer.refusal->status, 504u);
  EXPECT_EQ(code(answer), "OUTCOME_UNKNOWN");
  EXPECT_EQ(detail(answer, "unknown"), "[\"" + kA + "\"]");
  EXPECT_EQ(detail(answer, "placed"), "[]");
  EXPECT_EQ(answer.refusal->sent, "maybe");
  EXPECT_EQ(desk->open(), 1u);
  line.look_ups_fail = false;
  ASSERT_TRUE(until([&] { return desk->open() == 0; }));
  EXPECT_EQ(events(), "INTENT SENT UNKNOWN SETTLED");
  EXPECT_EQ(line.placed.size(), 1u);
  const DeskAnswer again = trade({kA});
  EXPECT_EQ(again.body,
            R"({"status":"accepted","acceptedOrders":[)" + row_of(kA) + R"(],"declinedOrders":[]})");
  EXPECT_EQ(header(again, "X-Bridge-Settled"), "true");
}

TEST_F(DeskTest, ThePartOfABatchThatIsKnownStandsBesideWhatIsUnknown) {
  line.script = {
      {What::error_after, 200, R"({"acceptedOrders":[)" + row_of(kA) + R"(],"declinedOrders":[]})", ""}};
  line.look_ups_fail = true;
  open_desk();
  DeskRequest what = request(body_of({kA, kB}));
  what.deadline = SteadyClock::now() + 100ms;
  const DeskAnswer answer = place(what);
  EXPECT_EQ(code(answer), "OUTCOME_UNKNOWN");
  EXPECT_EQ(detail(answer, "placed"), "[\"" + kA + "\"]");
  EXPECT_EQ(detail(answer, "unknown"), "[\"" + kB + "\"]");
  EXPECT_EQ(answer.refusal->sent, "yes");
}

TEST_F(DeskTest, GuardRailsRefuseOnRecordAndLeaveTheUuidFree) {
  open_desk();
  DeskRequest what = request(body_of({kA}));
  what.guards.push_back({"upstream abp", {}});
  what.guards[0].rules.max_stake["USD"] = "9.99";
  const DeskAnswer answer = place(what);
  EXPECT_EQ(code(answer), "GUARD_MAX_STAKE");
  EXPECT_EQ(answer.refusal->status, 422u);
  EXPECT_EQ(events(), "REFUSED");
  EXPECT_EQ(json::find(said[0].second, "code"), "\"GUARD_MAX_STAKE\"");
  EXPECT_EQ(json::find(said[0].second, "body"), body_of({kA}));
  EXPECT_TRUE(line.placed.empty());
  EXPECT_EQ(trade({kA}).status, 200u);
}

TEST_F(DeskTest, TheMinuteOfAnOwnerCountsOrdersThatWereLetThrough) {
  open_desk();
  const auto guarded = [&](const std::vector<std::string>& uuids) {
    DeskRequest what = request(body_of(uuids));
    what.guards.push_back({"app executor", {}});
    what.guards[0].rules.max_orders_per_minute = 2;
    return what;
  };
  EXPECT_EQ(code(place(guarded({kA, kB, kC}))), "GUARD_MAX_ORDERS_PER_MINUTE");
  EXPECT_EQ(place(guarded({kA, kB})).status, 200u);
  EXPECT_EQ(place(guarded({kA})).status, 200u);  // nothing is sent: nothing is counted
  EXPECT_EQ(code(place(guarded({kC}))), "GUARD_MAX_ORDERS_PER_MINUTE");
}

TEST_F(DeskTest, AnAppThatHasGoneIsNotSentForAndNotSentForAgain) {
  line.script = {{What::lost_before, 0, "", ""}};
  open_desk();
  bool gone = false;
  DeskRequest what = request(body_of({kA}));
  what.gone = [&gone] { return gone; };
  const auto answer = begin(what);
  ASSERT_TRUE(until([&] { return line.placed.size() == 1; }));
  gone = true;
  ASSERT_TRUE(until([&] { return desk->open() == 0; }));
  EXPECT_EQ(line.placed.size(), 1u);
  EXPECT_EQ(stored.begin()->second.orders.at(0).fate, Fate::unplaced);
  DeskRequest late = request(body_of({kB}));
  late.gone = [] { return true; };
  EXPECT_EQ(place(late).refusal->sent, "no");
  EXPECT_EQ(line.placed.size(), 1u);
}

TEST_F(DeskTest, AfterARestartWhatWasOpenIsLookedUpAndSaidAndNeverSent) {
  line.taken = {kA};
  open_desk();
  TradeRecord record;
  record.id = 41;
  record.upstream = "abp";
  record.app = "executor";
  record.at = wall_now() - 50'000;
  record.body = body_of({kA, kB});
  record.orders = {{kA, Fate::open, {}}, {kB, Fate::open, {}}};
  stored[41] = record;
  desk->restore({{kA, "abp", "executor", 41, record.at, Fate::open},
                 {kB, "abp", "executor", 41, record.at, Fate::open}},
                41);
  desk->resume({record});
  EXPECT_EQ(desk->open(), 1u);
  const auto waits = begin(request(body_of({kA})));
  ASSERT_TRUE(until([&] { return desk->open() == 0 && waits->has_value(); }));
  EXPECT_TRUE(line.placed.empty());
  EXPECT_EQ(events(), "SETTLED");
  EXPECT_EQ(json::find(said[0].second, "resumed"), "true");
  EXPECT_EQ(json::find(said[0].second, "orders.0.fate"), "\"placed\"");
  EXPECT_EQ(json::find(said[0].second, "orders.1.fate"), "\"not_placed\"");
  EXPECT_EQ((*waits)->status, 200u);
  EXPECT_EQ(code(trade({kA}, "another app")), "BAD_REQUEST");
  EXPECT_EQ(trade({kC}).status, 200u);
  EXPECT_GT(stored.rbegin()->first, 41u);
}

TEST_F(DeskTest, AHundredOpenTradesAreLookedUpTogether) {
  open_desk();
  std::vector<TradeRecord> open;
  for (int i = 0; i < 100; ++i) {
    TradeRecord record;
    record.id = static_cast<std::uint64_t>(i) + 1;
    record.upstream = "abp";
    record.at = wall_now();
    const std::string uuid = kA.substr(0, 32) + std::to_string(1000 + i);
    line.taken.insert(uuid);
    record.body = body_of({uuid});
    record.orders = {{uuid, Fate::open, {}}};
    open.push_back(record);
  }
  desk->resume(open);
  ASSERT_TRUE(until([&] { return desk->open() == 0; }));
  EXPECT_LE(line.looked_up.size(), 4u);
  EXPECT_EQ(said.size(), 100u);
}

TEST_F(DeskTest, AnOrderThatMemoryForgotIsFoundInTheRecord) {
  options.memory = 1;
  open_desk();
  trade({kA});
  trade({kB});
  EXPECT_EQ(trade({kA}).status, 200u);
  EXPECT_EQ(line.sent[kA], 1);
  EXPECT_EQ(code(trade({kA}, "another app")), "BAD_REQUEST");
}

TEST_F(DeskTest, NothingIsSentWhileTheRecordCannotSayWhatWasForgotten) {
  options.memory = 1;
  options.look_up_within = 20ms;
  open_desk();
  trade({kA});
  trade({kB});
  record_is_deaf = true;
  said.clear();
  EXPECT_EQ(code(trade({kA})), "JOURNAL_UNAVAILABLE");
  EXPECT_EQ(line.placed.size(), 2u);
  EXPECT_EQ(events(), "REFUSED");
  EXPECT_EQ(json::find(said[0].second, "uuids"), "[\"" + kA + "\"]");
}

TEST_F(DeskTest, TheStoryOfAnOrderIsToldToItsAppAndToAdminsOnly) {
  line.script = {{What::lost_after, 0, "", ""}};
  open_desk();
  const DeskAnswer answer = trade({kA, kB});
  const auto told = story("BBBBBBBB-0000-4000-8000-000000000002", "executor");
  ASSERT_TRUE(told);
  EXPECT_TRUE(json::validate_copy(*told).empty()) << *told;
  EXPECT_EQ(json::find(*told, "requestUuid"), "\"" + kB + "\"");
  EXPECT_EQ(json::find(*told, "fate"), "\"placed\"");
  EXPECT_EQ(json::find(*told, "entry"), row_of(kB));
  EXPECT_EQ(json::find(*told, "body"), body_of({kA, kB}));
  EXPECT_EQ(json::find(*told, "answer.body"), answer.body);
  EXPECT_EQ(json::find(*told, "orders.0.requestUuid"), "\"" + kA + "\"");
  EXPECT_EQ(json::find(*told, "steps.0.step"), "\"INTENT\"");
  EXPECT_EQ(json::find(*told, "steps.1.step"), "\"SENT\"");
  EXPECT_FALSE(story(kB, "another app"));
  EXPECT_TRUE(story(kB, "another app", true));
  EXPECT_FALSE(story(kC, "executor"));
}

TEST_F(DeskTest, AStopEndsEveryWaitAndLeavesTheTradeOpenOnRecord) {
  line.script = {{What::lost_after, 0, "", ""}};
  line.look_ups_fail = true;
  open_desk();
  const auto answer = begin(request(body_of({kA})));
  ASSERT_TRUE(until([&] { return !line.looked_up.empty(); }));
  desk->stop();
  ASSERT_TRUE(until([&] { return answer->has_value() && desk->open() == 0; }));
  EXPECT_EQ(code(**answer), "OUTCOME_UNKNOWN");
  EXPECT_TRUE(stored.begin()->second.open);
  said.clear();
  EXPECT_EQ(code(trade({kB})), "DRAINING");
  EXPECT_EQ(events(), "REFUSED");
}

}  // namespace
}  // namespace bridge55::gateway
