// A settlement on a virtual clock, driven by hand.
#pragma once

#include "daemon/gateway/settlement.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace bridge55::gateway {

using events::Fate;
using Do = Settlement::Do;
using Verdict = Settlement::Verdict;
using namespace std::chrono_literals;

inline const SteadyTime kStart = SteadyTime(1h);

struct SettlementTest : ::testing::Test {
  SteadyTime now = kStart;
  std::optional<Settlement> settlement;
  Settlement::Step step;

  Settlement& place(std::vector<std::string> uuids, std::chrono::milliseconds deadline = 15s,
                    std::vector<std::optional<SteadyTime>> expires = {}) {
    std::vector<Settlement::OrderState> orders;
    for (std::string& uuid : uuids)
      orders.push_back({std::move(uuid), Fate::open, {}});
    settlement.emplace(std::move(orders),
                       Settlement::Start{kStart, kStart + deadline, std::move(expires), false});
    return *settlement;
  }
  Do next() {
    step = settlement->next(now);
    return step.what;
  }
  // Lets time pass until something other than waiting is asked for.
  Do next_after_waits() {
    while (next() == Do::wait) {
      EXPECT_GT(step.until, now);
      now = step.until;
    }
    return step.what;
  }
  // Sends, looks up and so on until the app can be told; upstream loses what is sent and knows nothing.
  void run_dark_until_answer() {
    while (next_after_waits() != Do::answer) {
      ASSERT_NE(step.what, Do::done);
      step.what == Do::send ? settlement->lost() : settlement->looked_up({}, true, now);
    }
  }
  static Entry row(std::string uuid) {
    std::string text = R"({"requestUuid":")" + uuid + R"(","orderStatus":"FILLED"})";
    return Entry{std::move(uuid), std::move(text), false};
  }
  static Entry decline(std::string uuid, bool duplicate = false) {
    std::string text = R"({"requestUuid":")" + uuid + R"(","declineReason":"x"})";
    return Entry{std::move(uuid), std::move(text), duplicate};
  }
  static Settlement::Answered answer(PlaceAnswer read, unsigned status = 200) {
    return {status, {{"Content-Type", "application/json"}}, "as it came", std::move(read)};
  }
  static Settlement::Answered error(unsigned status) {
    return {status, {{"Content-Type", "text/html"}}, "<h1>" + std::to_string(status), std::nullopt};
  }
  Fate fate(std::size_t order) const { return settlement->orders()[order].fate; }
};

}  // namespace bridge55::gateway
