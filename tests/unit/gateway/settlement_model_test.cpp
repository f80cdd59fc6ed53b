// Random schedules against a model of upstream that loses, delays, repeats, refuses and forgets to answer,
// but never takes a uuid twice and never takes an order after its time.
#include "tests/unit/gateway/settlement_fixture.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <set>

namespace bridge55::gateway {
namespace {

class ModelUpstream {
 public:
  explicit ModelUpstream(std::mt19937& random) : random_(random) {}

  int roll(int sides) { return static_cast<int>(random_() % static_cast<unsigned>(sides)); }

  // Requests that are still on their way arrive.
  void pass(SteadyTime now) {
    for (auto it = late_.begin(); it != late_.end() && it->first <= now; it = late_.erase(it))
      take(it->second, it->first);
  }
  bool take(const std::string& uuid, SteadyTime at) { return taken_.emplace(uuid, at).second; }
  bool has(const std::string& uuid) const { return taken_.contains(uuid); }
  void arrive_later(const std::string& uuid, SteadyTime at) { late_.emplace(at, uuid); }
  std::vector<Entry> rows(const std::vector<std::string>& uuids, SteadyTime now) const {
    std::vector<Entry> out;
    for (const std::string& uuid : uuids) {
      const auto it = taken_.find(uuid);
      if (it != taken_.end() && it->second + 400ms <= now)
        out.push_back(SettlementTest::row(uuid));  // replicas lag
    }
    return out;
  }

 private:
  std::mt19937& random_;
  std::map<std::string, SteadyTime> taken_;
  std::multimap<SteadyTime, std::string> late_;
};

struct SettlementModelTest : SettlementTest, ::testing::WithParamInterface<int> {
  std::mt19937 random{0};
  std::vector<SteadyTime> ends;  // when upstream would no longer take the order
  std::vector<bool> dated, unknown_since_send;

  std::vector<std::string> asked() const {
    std::vector<std::string> out;
    for (const std::size_t i : step.orders)
      out.push_back(settlement->orders()[i].uuid);
    return out;
  }

  void do_send(ModelUpstream& upstream) {
    for (const std::size_t i : step.orders) {
      ASSERT_TRUE(unknown_since_send[i]) << "sent again although no look-up missed it since";
      ASSERT_EQ(settlement->orders()[i].fate, Fate::open);
    }
    const std::vector<std::string> uuids = asked();
    const int what = upstream.roll(9);
    if (what == 0) return settlement->unsent(now += 500ms);
    if (upstream.roll(4) == 0) {
      now += std::chrono::milliseconds(upstream.roll(12'000));  // in the queue
      upstream.pass(now);
    }
    if (now >= step.until) return settlement->unsent(now);
    for (const std::size_t i : step.orders) {
      ASSERT_TRUE(settlement->sends() == 0 || now < std::min(ends[i], kStart + 5s)) << "sent again too late";
    }
    settlement->leaving(now);
    for (const std::size_t i : step.orders)
      unknown_since_send[i] = false;
    const SteadyTime sent_at = now;
    now += std::chrono::milliseconds(upstream.roll(4) == 0 ? 3000 : 30);
    upstream.pass(now);
    const int flaw = upstream.roll(8);
    if (what == 1) return settlement->lost();  // never arrived
    if (what == 2) {
      for (const std::size_t i : step.orders) {
        const SteadyTime last = dated[i] ? std::max(ends[i], sent_at) : sent_at + 5s;
        const auto most = std::chrono::duration_cast<std::chrono::milliseconds>(last + 1s - sent_at).count();
        const SteadyTime at = sent_at + std::chrono::milliseconds(upstream.roll(static_cast<int>(most)));
        if (at <= now) {
          upstream.take(uuids_of(i), at);
        } else {
          upstream.arrive_later(uuids_of(i), at);
        }
      }
      return upstream.roll(2) == 0 ? settlement->lost() : settlement->answered(error(504));
    }
    if (what == 3) return settlement->answered(error(std::vector<unsigned>{400, 422, 429, 501}[flaw % 4]));
    const bool any_known =
        std::any_of(uuids.begin(), uuids.end(), [&](const auto& u) { return upstream.has(u); });
    if (any_known && upstream.roll(2) == 0) return settlement->answered(error(409));
    PlaceAnswer read;
    for (const std::string& uuid : uuids) {
      if (what == 4 && upstream.roll(2) == 0) continue;  // stumbles over some
      if (!upstream.has(uuid) && upstream.roll(6) == 0) {
        read.declined.push_back(decline(uuid));
      } else if (upstream.take(uuid, sent_at + 30ms)) {  // the answer is slow, not the taking
        read.accepted.push_back(row(uuid));
      } else {
        read.declined.push_back(decline(uuid, true));
      }
    }
    if (flaw == 0) return settlement->lost();
    if (flaw == 1) return settlement->answered(error(500));
    if (flaw == 2) return settlement->answered(error(200));  // truncated
    settlement->answered(answer(read));
  }

  std::string uuids_of(std::size_t i) const { return settlement->orders()[i].uuid; }

  void do_look_up(ModelUpstream& upstream) {
    const auto asked_at = now;
    now += std::chrono::milliseconds(upstream.roll(10) == 0 ? 4000 : 20);
    upstream.pass(now);
    if (upstream.roll(4) == 0) {
      auto rows = upstream.rows(asked(), now);
      if (!rows.empty() && upstream.roll(2) == 0) rows.pop_back();
      return settlement->looked_up(rows, false, now);
    }
    settlement->looked_up(upstream.rows(asked(), upstream.roll(2) == 0 ? asked_at : now), true, now);
    for (const std::size_t i : step.orders)
      unknown_since_send[i] = true;
  }

  void run(unsigned seed) {
    random.seed(seed);
    now = kStart;
    ModelUpstream upstream(random);
    const int count = 1 + upstream.roll(4);
    std::vector<std::string> uuids;
    std::vector<std::optional<SteadyTime>> expires;
    ends.clear();
    dated.clear();
    for (int i = 0; i < count; ++i) {
      uuids.push_back(std::string(1, static_cast<char>('a' + i)));
      dated.push_back(upstream.roll(2) == 0);
      ends.push_back(kStart + (dated.back() ? std::chrono::milliseconds(upstream.roll(60'000)) : 5000ms));
      expires.push_back(dated.back() ? std::optional(ends.back()) : std::nullopt);
    }
    unknown_since_send.assign(static_cast<std::size_t>(count), true);
    place(uuids, std::chrono::milliseconds(500 + upstream.roll(20'000)), expires);
    int answers = 0;
    for (int steps = 0; next() != Do::done; ++steps) {
      ASSERT_LT(steps, 10'000) << "it must come to an end";
      if (upstream.roll(40) == 0) settlement->app_gone();
      if (step.what == Do::wait) {
        ASSERT_GT(step.until, now);
        now = step.until;
        upstream.pass(now);
      } else if (step.what == Do::answer) {
        ++answers;
      } else if (step.what == Do::send) {
        ASSERT_EQ(answers, 0) << "sent after the app was told";
        ASSERT_NO_FATAL_FAILURE(do_send(upstream));
      } else {
        do_look_up(upstream);
      }
    }
    EXPECT_EQ(answers, 1);
    upstream.pass(SteadyTime::max());
    for (const auto& order : settlement->orders()) {
      const bool placed = order.fate == Fate::placed;
      EXPECT_NE(order.fate, Fate::open) << order.uuid;
      EXPECT_EQ(placed, upstream.has(order.uuid)) << order.uuid << " is " << static_cast<int>(order.fate);
      if (placed) {
        EXPECT_EQ(order.entry, row(order.uuid).text);
      }
    }
  }
};

TEST_P(SettlementModelTest, TheFinalWordIsTrueAndNothingIsSentBlindly) {
  for (unsigned i = 0; i < 5000; ++i) {
    const unsigned seed = static_cast<unsigned>(GetParam()) * 5000 + i;
    run(seed);
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, SettlementModelTest, ::testing::Range(0, 8));

}  // namespace
}  // namespace bridge55::gateway
