// Pages: bounds, filters with a bounded scan, times through the sparse table.
#include "daemon/events/event.hpp"
#include "tests/unit/journal/journal_fixture.hpp"

namespace bridge55::events {
namespace {

constexpr EventId kFirst = 1'771'183'909'000'000;
constexpr EventId kSecond = 1'000'000;

class PagesTest : public JournalTest {
 protected:
  // A thousand events, one a second, a commit each hundred; every tenth is a bet.
  void fill() {
    for (EventId i = 0; i < 1000; ++i) {
      Sample sample;
      if (i % 10 == 0) sample.channel = "bets";
      running.append(kFirst + i * kSecond, sample);
      if (i % 100 != 99) continue;
      ASSERT_TRUE(running.durable(kFirst + i * kSecond));
    }
  }
  std::vector<EventId> numbers(const ReadResult& result) const {
    std::vector<EventId> out;
    for (const EventPtr& event : result.events)
      out.push_back((event->id() - kFirst) / kSecond);
    return out;
  }
  Running running{directory};
};

TEST_F(PagesTest, a_page_has_at_most_as_many_events_as_asked_for_and_says_whether_there_are_more) {
  fill();
  ReadRequest request;
  request.max_events = 300;
  const ReadResult first = running.read(request);
  ASSERT_EQ(first.events.size(), 300u);
  EXPECT_TRUE(first.more);
  request.after = first.scanned_through;
  request.max_events = 700;
  const ReadResult rest = running.read(request);
  ASSERT_EQ(rest.events.size(), 700u);
  EXPECT_FALSE(rest.more);
  EXPECT_EQ(rest.events.front()->id(), kFirst + 300 * kSecond);
}

TEST_F(PagesTest, a_page_has_at_most_as_many_bytes_as_asked_for_but_always_one_event) {
  fill();
  ReadRequest request;
  request.max_bytes = 1;
  const ReadResult one = running.read(request);
  EXPECT_EQ(one.events.size(), 1u);
  EXPECT_TRUE(one.more);
}

TEST_F(PagesTest, bounds_are_exclusive) {
  fill();
  ReadRequest request;
  request.after = kFirst + 10 * kSecond;
  request.before = kFirst + 14 * kSecond;
  const ReadResult got = running.read(request);
  EXPECT_EQ(numbers(got), (std::vector<EventId>{11, 12, 13}));
  EXPECT_FALSE(got.more);
}

TEST_F(PagesTest, before_alone_ascends_from_the_earliest) {
  fill();
  ReadRequest request;
  request.before = kFirst + 3 * kSecond;
  EXPECT_EQ(numbers(running.read(request)), (std::vector<EventId>{0, 1, 2}));
}

TEST_F(PagesTest, a_filter_gets_what_it_wants) {
  fill();
  ReadRequest request;
  request.wants = [](const Event& event) { return event.channel() == "bets"; };
  const ReadResult got = running.read(request);
  EXPECT_EQ(got.events.size(), 100u);
  EXPECT_FALSE(got.more);
  EXPECT_EQ(got.scanned_through, kFirst + 999 * kSecond);
}

TEST_F(PagesTest, a_filtered_page_looks_at_a_bounded_number_of_rows_and_says_where_to_go_on) {
  fill();
  ReadRequest request;
  request.max_scanned = 250;
  request.wants = [](const Event& event) { return event.id() == kFirst + 700 * kSecond; };
  std::vector<EventId> found;
  int pages = 0;
  for (bool more = true; more; ++pages) {
    const ReadResult got = running.read(request);
    for (const EventId number : numbers(got))
      found.push_back(number);
    EXPECT_GT(got.scanned_through, request.after);
    request.after = got.scanned_through;
    more = got.more;
  }
  EXPECT_EQ(found, std::vector<EventId>{700});
  EXPECT_EQ(pages, 4);
}

TEST_F(PagesTest, a_scan_over_many_rows_lets_other_readers_in) {
  running.append_many(kFirst, 20'000, 1);
  ASSERT_TRUE(running.durable(kFirst + 19'999));
  std::vector<int> order;
  ReadRequest scan, quick;
  scan.wants = [](const Event&) { return false; };
  quick.max_events = 1;
  running.journal().read(scan, [&](const ReadResult&) { order.push_back(1); });
  running.journal().read(quick, [&](const ReadResult&) { order.push_back(2); });
  ASSERT_TRUE(running.until([&] { return order.size() == 2; }));
  EXPECT_EQ(order, (std::vector<int>{2, 1}));
}

TEST_F(PagesTest, times_bound_a_page_and_both_ends_are_in_it) {
  fill();
  ReadRequest request;
  request.from = static_cast<WallMicros>(kFirst + 250 * kSecond);
  request.to = static_cast<WallMicros>(kFirst + 254 * kSecond);
  const ReadResult got = running.read(request);
  EXPECT_EQ(numbers(got), (std::vector<EventId>{250, 251, 252, 253, 254}));
  EXPECT_FALSE(got.more);
}

TEST_F(PagesTest, a_time_after_everything_is_an_empty_page) {
  fill();
  ReadRequest request;
  request.from = static_cast<WallMicros>(kFirst + 5000 * kSecond);
  const ReadResult got = running.read(request);
  EXPECT_TRUE(got.events.empty());
  EXPECT_FALSE(got.more);
}

TEST_F(PagesTest, a_time_before_everything_is_an_empty_page) {
  fill();
  ReadRequest request;
  request.to = static_cast<WallMicros>(kFirst - kSecond);
  EXPECT_TRUE(running.read(request).events.empty());
}

TEST_F(PagesTest, one_open_end_of_a_time_range_reaches_to_the_end) {
  fill();
  ReadRequest request;
  request.from = static_cast<WallMicros>(kFirst + 995 * kSecond);
  EXPECT_EQ(numbers(running.read(request)), (std::vector<EventId>{995, 996, 997, 998, 999}));
}

TEST_F(PagesTest, times_are_right_where_the_clock_was_set_back_a_little) {
  // Ids go on rising while the clock shows earlier times for a while.
  const auto put = [&](EventId id, WallMicros at) {
    Facts facts;
    facts.source = "abp";
    facts.channel = "orders";
    facts.name = "UPDATE";
    facts.payload = "{}";
    running.journal().append(Event::make({id, at, {}}, facts), 0);
    ASSERT_TRUE(running.durable(id));
  };
  const auto base = static_cast<WallMicros>(kFirst);
  put(kFirst, base);
  put(kFirst + 10, base + 30'000'000);
  put(kFirst + 20, base + 5'000'000);
  put(kFirst + 30, base + 40'000'000);
  ReadRequest request;
  request.from = base + 4'000'000;
  request.to = base + 6'000'000;
  const ReadResult got = running.read(request);
  ASSERT_EQ(got.events.size(), 1u);
  EXPECT_EQ(got.events[0]->id(), kFirst + 20);
}

TEST_F(PagesTest, an_empty_journal_has_an_empty_page) {
  const ReadResult got = running.read({});
  EXPECT_TRUE(got.events.empty());
  EXPECT_FALSE(got.more);
  EXPECT_EQ(got.oldest_id, 0u);
}

}  // namespace
}  // namespace bridge55::events
