// A request that has a name is performed once, whatever comes between; placements are young and named.
#include "bridges/rabbitmq/requests_desk.hpp"
#include "tests/support/fake_journal.hpp"

#include <chrono>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace bridge55::rabbitmq {
namespace {

using namespace std::chrono_literals;

constexpr char kRead[] = R"({"path":"/abp/orders"})";
constexpr char kWrite[] = R"({"method":"POST","path":"/abp/accounts","body":{"a":1}})";
constexpr char kPlace[] =
    R"({"method":"POST","path":"/abp/place-orders","body":{"orders":[{"requestUuid":"ABC-1"}]}})";
constexpr char kStart[] = R"({"method":"POST","path":"/mm/api/v1/trading/start"})";

class RequestDeskTest : public ::testing::Test {
 protected:
  RequestDeskTest() { restart(); }

  // What a new process makes of the same journal.
  void restart() {
    desk = std::make_unique<RequestDesk>(io, journal);
    asked.clear();
    InnerDoor door;
    door.scopes = [](std::string_view method, std::string_view path) -> std::optional<unsigned> {
      if (method == "GET") return static_cast<unsigned>(config::Scope::read);
      if (path.find("accounts") != std::string_view::npos)
        return static_cast<unsigned>(config::Scope::accounts);
      return static_cast<unsigned>(config::Scope::trade);
    };
    door.ask = [this](local::InnerRequest request, std::function<void(local::InnerAnswer)> then) {
      asked.emplace_back(std::move(request), std::move(then));
    };
    queue = std::make_shared<const RequestQueue>(RequestQueue{"rabbit", 1h, std::move(door)});
  }

  // The number of a reply that comes into `replies`.
  std::size_t take(const std::string& message, const std::string& id = {},
                   std::optional<std::uint64_t> timestamp = {}) {
    const std::size_t number = replies.size();
    replies.emplace_back();
    desk->take(queue, {message, false, id, timestamp},
               [this, number](unsigned status, const std::string& text) {
                 EXPECT_EQ(replies[number].first, 0u) << "answered twice";
                 replies[number] = {status, text};
               });
    return number;
  }
  void answer(std::size_t which, unsigned status = 200, const std::string& body = "{}") {
    asked.at(which).second({status, {}, body});
  }
  // Until what waits for the disk stops waiting.
  void run_out_of_patience() {
    io.restart();
    io.run_for(5s);
  }
  static std::uint64_t seconds_ago(int seconds) {
    return static_cast<std::uint64_t>(wall_now() / 1'000'000 - seconds);
  }
  unsigned status(std::size_t reply) const { return replies.at(reply).first; }
  bool said(std::size_t reply, std::string_view word) const {
    return replies.at(reply).second.find(word) != std::string::npos;
  }

  boost::asio::io_context io;
  tests::FakeJournal journal;
  std::unique_ptr<RequestDesk> desk;
  std::shared_ptr<const RequestQueue> queue;
  std::vector<std::pair<local::InnerRequest, std::function<void(local::InnerAnswer)>>> asked;
  std::vector<std::pair<unsigned, std::string>> replies;
};

TEST_F(RequestDeskTest, without_a_name_it_is_performed_each_time_and_nothing_is_stored) {
  take(kRead);
  take(kRead);
  ASSERT_EQ(asked.size(), 2u);
  answer(1, 201, R"({"n":1})");
  EXPECT_EQ(status(0), 0u);
  EXPECT_EQ(replies[1].second, R"({"status":201,"headers":{},"body":{"n":1}})");
  EXPECT_TRUE(journal.stored_requests.empty());
}

TEST_F(RequestDeskTest, with_a_name_it_is_performed_once_over_restarts_too) {
  take(kRead, "m");
  answer(0, 200, R"({"n":1})");
  const std::string first = replies[0].second;
  take(kRead, "m");
  EXPECT_EQ(replies[1].second, first);
  restart();
  take(kRead, "m");
  EXPECT_EQ(replies[2], replies[0]);
  EXPECT_TRUE(asked.empty());
  take(kRead, "other");
  EXPECT_EQ(asked.size(), 1u);
}

TEST_F(RequestDeskTest, those_that_come_while_it_is_under_way_wait_for_it) {
  take(kWrite, "m");
  take(kWrite, "m");
  ASSERT_EQ(asked.size(), 1u);
  answer(0, 201);
  EXPECT_EQ(status(0), 201u);
  EXPECT_EQ(status(1), 201u);
  EXPECT_EQ(desk->under_way(), 0u);
}

TEST_F(RequestDeskTest, another_request_under_a_used_name_is_refused) {
  take(kWrite, "m");
  EXPECT_EQ(status(take(kRead, "m")), 422u);
  answer(0);
  EXPECT_EQ(status(take(kRead, "m")), 422u);
  EXPECT_EQ(status(0), 200u);
  EXPECT_EQ(asked.size(), 1u);
}

TEST_F(RequestDeskTest, a_write_is_marked_before_it_is_performed_and_answered_once_that_is_stored) {
  journal.trades_at_once = false;
  take(kWrite, "m");
  EXPECT_TRUE(asked.empty());
  ASSERT_EQ(journal.stored_requests.size(), 1u);
  EXPECT_EQ(journal.stored_requests[0].status, 0u);
  journal.commit_trades();
  ASSERT_EQ(asked.size(), 1u);
  answer(0);
  EXPECT_EQ(status(0), 0u);
  journal.commit_trades();
  EXPECT_EQ(status(0), 200u);
}

TEST_F(RequestDeskTest, a_write_that_a_kill_cut_off_is_not_done_again) {
  take(kWrite, "m");
  restart();
  const auto reply = take(kWrite, "m");
  EXPECT_EQ(status(reply), 504u);
  EXPECT_TRUE(said(reply, "OUTCOME_UNKNOWN"));
  EXPECT_TRUE(asked.empty());
  EXPECT_EQ(status(take(kStart, "s")), 0u);
  restart();
  EXPECT_EQ(status(take(kStart, "s")), 504u) << "no orders: the gateway does not remember it";
}

TEST_F(RequestDeskTest, a_damaged_record_is_never_taken_for_none) {
  journal.requests["rabbit/m"] = {"rabbit", "m", 0, 0, 0, {}};
  EXPECT_EQ(status(take(kWrite, "m")), 504u);
  EXPECT_EQ(status(take(kPlace, "m")), 504u);
  take(kRead, "m");
  EXPECT_EQ(asked.size(), 1u) << "a read costs nothing";
}

TEST_F(RequestDeskTest, what_is_past_its_time_counts_no_more) {
  journal.requests["rabbit/m"] = {"rabbit", "m", 1, 0, 200, "old"};
  take(kRead, "m");
  EXPECT_EQ(asked.size(), 1u);
}

TEST_F(RequestDeskTest, a_placement_that_a_kill_cut_off_is_asked_again_of_the_gateway_that_remembers) {
  take(kPlace, "m", seconds_ago(0));
  ASSERT_EQ(asked.size(), 1u);
  restart();
  events::TradeRecord trade;
  trade.id = 1;
  trade.orders = {{"abc-1", events::Fate::open, {}}};
  journal.trades[1] = trade;
  take(kPlace, "m", seconds_ago(60));
  ASSERT_EQ(asked.size(), 1u) << "old, but it is a look-up now";
  answer(0);
  EXPECT_EQ(status(1), 200u);
}

TEST_F(RequestDeskTest, one_that_never_left_is_asked_again_while_it_is_young) {
  take(kPlace, "young", seconds_ago(0));
  take(kPlace, "old", seconds_ago(3));
  restart();
  take(kPlace, "young", seconds_ago(1));
  EXPECT_EQ(asked.size(), 1u);
  EXPECT_EQ(status(take(kPlace, "old", seconds_ago(60))), 422u);
  EXPECT_EQ(asked.size(), 1u);
}

TEST_F(RequestDeskTest, one_without_a_time_is_as_old_as_its_mark) {
  take(kPlace, "m");
  restart();
  journal.requests["rabbit/m"].until -= 60'000'000;
  EXPECT_EQ(status(take(kPlace, "m")), 422u);
  EXPECT_TRUE(asked.empty());
}

TEST_F(RequestDeskTest, a_placement_needs_a_name_and_is_young) {
  EXPECT_EQ(status(take(kPlace)), 422u);
  EXPECT_EQ(status(take(kPlace, "old", seconds_ago(7))), 422u);
  EXPECT_TRUE(asked.empty());
  EXPECT_TRUE(journal.stored_requests.empty());
  take(kPlace, "young", seconds_ago(2));
  take(kPlace, "timeless");
  EXPECT_EQ(asked.size(), 2u);
}

TEST_F(RequestDeskTest, one_that_was_answered_is_answered_the_same_however_old_it_is_now) {
  take(kPlace, "m", seconds_ago(0));
  answer(0);
  EXPECT_EQ(status(take(kPlace, "m", seconds_ago(60))), 200u);
}

TEST_F(RequestDeskTest, without_a_journal_no_placement_and_everything_else) {
  journal.trades_at_once = false;
  take(kPlace, "p");
  take(kWrite, "w");
  run_out_of_patience();
  EXPECT_EQ(status(0), 503u);
  EXPECT_TRUE(said(0, "JOURNAL_UNAVAILABLE"));
  ASSERT_EQ(asked.size(), 1u);
  answer(0);
  run_out_of_patience();
  EXPECT_EQ(status(1), 200u);
  while (journal.commit_trades() > 0) {
  }
  EXPECT_EQ(journal.requests["rabbit/p"].status, 503u) << "what was said once stays so";
}

TEST_F(RequestDeskTest, what_is_no_request_or_too_large_is_refused) {
  EXPECT_EQ(status(take("nonsense", "m")), 400u);
  EXPECT_EQ(status(take("{}", "m")), 422u);
  desk->take(queue, {{}, true, "m", {}}, [](unsigned got, const std::string& text) {
    EXPECT_EQ(got, 413u);
    EXPECT_NE(text.find("TOO_LARGE"), std::string::npos);
  });
  EXPECT_TRUE(journal.stored_requests.empty());
}

TEST(RequestAge, five_seconds_are_the_limit_in_seconds_or_milliseconds) {
  constexpr WallMicros kNow = 1'771'183'909'500'000;
  EXPECT_FALSE(too_old({}, kNow));
  EXPECT_FALSE(too_old(1'771'183'909, kNow));
  EXPECT_FALSE(too_old(1'771'183'905, kNow));
  EXPECT_TRUE(too_old(1'771'183'904, kNow));
  EXPECT_TRUE(too_old(0, kNow));
  EXPECT_FALSE(too_old(1'771'183'904'500, kNow));
  EXPECT_TRUE(too_old(1'771'183'904'499, kNow));
  EXPECT_FALSE(too_old(UINT64_MAX, kNow));
}

}  // namespace
}  // namespace bridge55::rabbitmq
