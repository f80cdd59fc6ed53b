// A daemon that is killed again and again between any two steps of its placements, over one record and one
// upstream: no order is taken twice, and the last word on each is true.
#include "tests/unit/gateway/desk_fixture.hpp"

#include <random>

namespace bridge55::gateway {
namespace {

struct DeskRestartTest : DeskTest, ::testing::WithParamInterface<int> {
  std::mt19937 random{static_cast<unsigned>(GetParam())};

  unsigned roll(unsigned sides) { return static_cast<unsigned>(random() % sides); }

  Meeting random_meeting() {
    using What = Meeting::What;
    const What all[] = {What::ok,          What::ok,          What::ok,           What::lost_after,
                        What::lost_before, What::error_after, What::error_before, What::unsent};
    Meeting meeting{all[roll(8)], 0, "", "QUEUE_TIMEOUT"};
    if (meeting.what == What::error_after || meeting.what == What::error_before) {
      meeting.status = roll(2) == 0 ? 503 : 409;
      meeting.body = "busy";
    }
    return meeting;
  }

  // What a start of the daemon finds.
  void restart() {
    std::vector<events::TradeMemory> memory;
    std::vector<TradeRecord> open;
    std::uint64_t last = 0;
    for (const auto& [id, record] : stored) {
      last = id;
      for (const auto& order : record.orders)
        memory.push_back({order.uuid, record.upstream, record.app, id, record.at, order.fate});
      if (record.open) open.push_back(record);
    }
    open_desk();
    desk->restore(memory, last);
    desk->resume(open);
  }
  // Everything that ran is gone in the middle of what it did; only record and upstream stay.
  void kill() {
    desk->stop();
    const auto frozen = stored;
    const auto sent_before = line.placed.size();
    until([&] { return desk->open() == 0; });
    io.restart();
    io.poll();
    EXPECT_EQ(line.placed.size(), sent_before) << "a desk that was stopped sends nothing";
    stored = frozen;
    desk.reset();
  }
};

TEST_P(DeskRestartTest, NoOrderIsTakenTwiceAndTheLastWordIsTrue) {
  restart();
  std::vector<std::string> uuids;
  for (int round = 0; round < 12; ++round) {
    std::vector<std::shared_ptr<std::optional<DeskAnswer>>> answers;
    for (unsigned i = 0; i < 1 + roll(4); ++i) {
      line.script.push_back(random_meeting());
      std::vector<std::string> batch = {kA.substr(0, 32) + std::to_string(1000 + uuids.size())};
      uuids.push_back(batch[0]);
      if (roll(2) == 0 && batch[0] != uuids[0])
        batch.push_back(uuids[roll(static_cast<unsigned>(uuids.size() - 1))]);
      DeskRequest what = request(body_of(batch));
      what.deadline = SteadyClock::now() + std::chrono::milliseconds(20 + roll(400));
      answers.push_back(begin(what));
    }
    const unsigned steps = roll(60);
    for (unsigned i = 0; i < steps; ++i) {
      io.restart();
      io.run_one_for(2ms);
    }
    kill();
    restart();
  }
  line.script.clear();
  ASSERT_TRUE(until([&] { return desk->open() == 0; }));
  for (const auto& [id, record] : stored) {
    EXPECT_FALSE(record.open);
    for (const auto& order : record.orders) {
      const bool placed = order.fate == Fate::placed;
      if (order.fate == Fate::unsent) continue;  // a later trade may have sent it
      EXPECT_EQ(placed, line.taken.contains(order.uuid)) << order.uuid << ' ' << static_cast<int>(order.fate);
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, DeskRestartTest, ::testing::Range(0, 8));

}  // namespace
}  // namespace bridge55::gateway
