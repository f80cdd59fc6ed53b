#include "tests/unit/gateway/settlement_fixture.hpp"

namespace bridge55::gateway {
namespace {

TEST_F(SettlementTest, AnUndisturbedAnswerPassesAsItCame) {
  place({"a", "b"});
  ASSERT_EQ(next(), Do::send);
  EXPECT_EQ(step.orders, (std::vector<std::size_t>{0, 1}));
  settlement->answered(answer({{row("a")}, {decline("b")}}, 201));
  EXPECT_EQ(next(), Do::answer);
  EXPECT_EQ(settlement->verdict(), Verdict::undisturbed);
  EXPECT_EQ(settlement->said().status, 201u);
  EXPECT_EQ(settlement->said().body, "as it came");
  EXPECT_FALSE(settlement->settled());
  EXPECT_EQ(fate(0), Fate::placed);
  EXPECT_EQ(fate(1), Fate::declined);
  EXPECT_EQ(next(), Do::done);
}

TEST_F(SettlementTest, AClientErrorAndNotImplementedAreFinalAndPassAsTheyCame) {
  for (const unsigned status : {400u, 401u, 403u, 404u, 422u, 429u, 501u}) {
    place({"a"});
    ASSERT_EQ(next(), Do::send);
    settlement->answered(error(status));
    EXPECT_EQ(next(), Do::answer) << status;
    EXPECT_EQ(settlement->verdict(), Verdict::undisturbed);
    EXPECT_EQ(settlement->said().status, status);
    EXPECT_EQ(fate(0), Fate::declined);
    EXPECT_EQ(next(), Do::done);
  }
}

TEST_F(SettlementTest, WhatNeverLeftIsUnsentAndNothingMoreHappens) {
  place({"a"});
  ASSERT_EQ(next(), Do::send);
  settlement->unsent(now);
  EXPECT_EQ(next(), Do::answer);
  EXPECT_EQ(settlement->verdict(), Verdict::unsent);
  EXPECT_EQ(next(), Do::done);
  EXPECT_EQ(settlement->sends(), 0u);
}

TEST_F(SettlementTest, NothingIsSentForAnAppThatHasGoneOrAfterItsDeadline) {
  place({"a"});
  settlement->app_gone();
  EXPECT_EQ(next(), Do::answer);
  EXPECT_EQ(settlement->verdict(), Verdict::unsent);
  place({"a"}, 1s);
  now = kStart + 1s;
  EXPECT_EQ(next(), Do::answer);
  EXPECT_EQ(settlement->verdict(), Verdict::unsent);
}

TEST_F(SettlementTest, ALostAnswerIsLookedUpAndWhatIsFoundIsAnsweredAsPlaced) {
  place({"a", "b"});
  ASSERT_EQ(next(), Do::send);
  settlement->lost();
  ASSERT_EQ(next(), Do::look_up);
  EXPECT_EQ(step.orders, (std::vector<std::size_t>{0, 1}));
  settlement->looked_up({row("b"), row("a")}, true, now);
  EXPECT_EQ(next(), Do::answer);
  EXPECT_EQ(settlement->verdict(), Verdict::composed);
  EXPECT_TRUE(settlement->settled());
  EXPECT_EQ(settlement->orders()[0].entry, row("a").text);
  EXPECT_EQ(next(), Do::done);
}

TEST_F(SettlementTest, AConflictAServerErrorARedirectAndAnAnswerThatCannotBeReadAreLookedUp) {
  for (const unsigned status : {409u, 500u, 502u, 503u, 504u, 302u, 200u, 204u}) {
    place({"a"});
    ASSERT_EQ(next(), Do::send);
    settlement->answered(error(status));
    ASSERT_EQ(next(), Do::look_up) << status;
    settlement->looked_up({row("a")}, true, now);
    EXPECT_EQ(next(), Do::answer);
    EXPECT_EQ(settlement->verdict(), Verdict::composed);
  }
}

TEST_F(SettlementTest, AnOrderInNeitherListOrInBothIsLookedUpAlone) {
  for (const PlaceAnswer& read :
       {PlaceAnswer{{row("a")}, {}}, PlaceAnswer{{row("a"), row("b")}, {decline("b")}}}) {
    place({"a", "b"});
    ASSERT_EQ(next(), Do::send);
    settlement->answered(answer(read));
    ASSERT_EQ(next(), Do::look_up);
    EXPECT_EQ(step.orders, (std::vector<std::size_t>{1}));
  }
}

TEST_F(SettlementTest, ADeclineThatSaysDuplicateIsLookedUp) {
  place({"a", "b"});
  ASSERT_EQ(next(), Do::send);
  settlement->answered(answer({{}, {decline("a", true), decline("b")}}));
  ASSERT_EQ(next(), Do::look_up);
  EXPECT_EQ(step.orders, (std::vector<std::size_t>{0}));
  settlement->looked_up({row("a")}, true, now);
  EXPECT_EQ(next(), Do::answer);
  EXPECT_EQ(settlement->verdict(), Verdict::composed);
  EXPECT_EQ(fate(0), Fate::placed);
  EXPECT_EQ(fate(1), Fate::declined);
}

TEST_F(SettlementTest, OnlyWhatUpstreamDoesNotKnowIsSentAgainAfterAGrowingPause) {
  place({"a", "b", "c"});
  ASSERT_EQ(next(), Do::send);
  settlement->lost();
  ASSERT_EQ(next(), Do::look_up);
  settlement->looked_up({row("b")}, true, now);
  ASSERT_EQ(next(), Do::wait);
  EXPECT_EQ(step.until - now, 250ms);
  ASSERT_EQ(next_after_waits(), Do::send);
  EXPECT_EQ(step.orders, (std::vector<std::size_t>{0, 2}));
  settlement->lost();
  ASSERT_EQ(next(), Do::look_up);
  settlement->looked_up({row("a")}, true, now);
  ASSERT_EQ(next(), Do::wait);
  EXPECT_EQ(step.until - now, 500ms);
  ASSERT_EQ(next_after_waits(), Do::send);
  EXPECT_EQ(step.orders, (std::vector<std::size_t>{2}));
  settlement->answered(answer({{row("c")}, {}}));
  EXPECT_EQ(next(), Do::answer);
  EXPECT_EQ(settlement->verdict(), Verdict::composed);
  EXPECT_EQ(settlement->uuids(Fate::placed).size(), 3u);
}

TEST_F(SettlementTest, AResendThatCouldNotLeaveIsTriedAgain) {
  place({"a"});
  next();
  settlement->lost();
  next();
  settlement->looked_up({}, true, now);
  ASSERT_EQ(next_after_waits(), Do::send);
  settlement->unsent(now);
  EXPECT_EQ(next(), Do::wait);
  EXPECT_EQ(next_after_waits(), Do::send);
  EXPECT_EQ(settlement->sends(), 1u);
}

TEST_F(SettlementTest, AFailedLookUpIsRepeatedAndNothingIsSentBefore) {
  place({"a"});
  next();
  settlement->lost();
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(next_after_waits(), Do::look_up);
    settlement->looked_up({}, false, now);
  }
  ASSERT_EQ(next_after_waits(), Do::look_up);
  settlement->looked_up({}, true, now);
  EXPECT_EQ(next_after_waits(), Do::send);
}

TEST_F(SettlementTest, WhatAPartOfALookUpFoundCounts) {
  place({"a", "b"});
  next();
  settlement->lost();
  next();
  settlement->looked_up({row("a")}, false, now);
  EXPECT_EQ(fate(0), Fate::placed);
  ASSERT_EQ(next_after_waits(), Do::look_up);
  EXPECT_EQ(step.orders, (std::vector<std::size_t>{1}));
}

TEST_F(SettlementTest, NothingIsSentAgainOnceTheOrderIsOldOrExpiredOrTheAppHasGone) {
  enum class Why { old, expired, gone };
  for (const Why why : {Why::old, Why::expired, Why::gone}) {
    now = kStart;
    place({"a"}, 15s, {why == Why::expired ? std::optional(kStart + 1s) : std::optional(kStart + 10min)});
    next();
    settlement->lost();
    next();
    if (why == Why::old) now = kStart + 5s;
    if (why == Why::expired) now = kStart + 1s;
    if (why == Why::gone) settlement->app_gone();
    settlement->looked_up({}, true, now);
    EXPECT_EQ(next_after_waits(), Do::look_up);
  }
}

TEST_F(SettlementTest, NotPlacedIsSaidOnlyAfterALookUpThatBeganAfterTheOrdersTime) {
  place({"a"}, 1min, {kStart + 3s});
  next();
  settlement->lost();
  SteadyTime began = now;
  while (fate(0) == Fate::open) {
    const Do what = next_after_waits();
    began = now;
    if (what == Do::send) settlement->lost();
    if (what == Do::look_up) {
      now += 1s;  // it takes a while: its beginning counts
      settlement->looked_up({}, true, now);
    }
  }
  EXPECT_EQ(fate(0), Fate::unplaced);
  EXPECT_GE(began, kStart + 5s);
  EXPECT_LT(began, kStart + 8s);
  EXPECT_EQ(next(), Do::answer);
  EXPECT_EQ(settlement->verdict(), Verdict::not_placed);
  EXPECT_TRUE(settlement->settled());
}

TEST_F(SettlementTest, WithoutAnExpiryTheOrdersTimeEndsFiveSecondsAfterItWasSentLast) {
  place({"a"});
  next();
  settlement->lost();
  settlement->app_gone();  // so it is sent once
  run_dark_until_answer();
  EXPECT_EQ(settlement->verdict(), Verdict::not_placed);
  EXPECT_EQ(now, kStart + 7s);
}

TEST_F(SettlementTest, NotPlacedIsKnownWithinTheDefaultDeadlineHoweverOftenItWasSent) {
  place({"a"});
  run_dark_until_answer();
  EXPECT_EQ(settlement->verdict(), Verdict::not_placed);
  EXPECT_GT(settlement->sends(), 3u);
  EXPECT_LT(now, kStart + 15s);
}

TEST_F(SettlementTest, NotPlacedComesWithUpstreamsOwnErrorIfThereWasOne) {
  place({"a"});
  next();
  settlement->answered(error(503));
  settlement->app_gone();
  run_dark_until_answer();
  EXPECT_EQ(settlement->verdict(), Verdict::upstream_error);
  EXPECT_EQ(settlement->said().status, 503u);
  EXPECT_EQ(settlement->said().body, "<h1>503");
}

TEST_F(SettlementTest, ADuplicateThatIsNowhereEndsWithUpstreamsOwnEntry) {
  place({"a"});
  next();
  settlement->answered(answer({{}, {decline("a", true)}}));
  settlement->app_gone();
  run_dark_until_answer();
  EXPECT_EQ(fate(0), Fate::unplaced);
  EXPECT_EQ(settlement->verdict(), Verdict::composed);
  EXPECT_EQ(settlement->orders()[0].entry, decline("a").text);
}

TEST_F(SettlementTest, WhatOfABatchIsNowhereIsToldBesideWhatWasPlaced) {
  place({"a", "b"});
  next();
  settlement->lost();
  settlement->app_gone();
  next();
  settlement->looked_up({row("a")}, true, now);
  run_dark_until_answer();
  EXPECT_EQ(fate(0), Fate::placed);
  EXPECT_EQ(fate(1), Fate::unplaced);
  EXPECT_EQ(settlement->verdict(), Verdict::composed);
}

TEST_F(SettlementTest, ARefusalOfAResendIsNoLastWordButEndsTheSending) {
  for (const bool whole : {true, false}) {
    now = kStart;
    place({"a"});
    next();
    settlement->lost();
    next();
    settlement->looked_up({}, true, now);
    ASSERT_EQ(next_after_waits(), Do::send);
    settlement->answered(whole ? error(422) : answer({{}, {decline("a")}}));
    EXPECT_EQ(fate(0), Fate::open);
    ASSERT_EQ(next(), Do::look_up);
    settlement->looked_up({}, true, now);
    ASSERT_EQ(next_after_waits(), Do::look_up);
    settlement->looked_up({row("a")}, true, now);  // the first sending arrived late
    EXPECT_EQ(fate(0), Fate::placed);
  }
}

TEST_F(SettlementTest, AtTheDeadlineTheAppIsToldThatItIsUnknownAndTheLookUpsGoOn) {
  place({"a"}, 2s, {kStart + 1min});
  next();
  settlement->lost();
  run_dark_until_answer();
  EXPECT_EQ(now, kStart + 2s);
  EXPECT_EQ(settlement->verdict(), Verdict::unknown);
  ASSERT_EQ(next_after_waits(), Do::look_up);
  settlement->looked_up({row("a")}, true, now);
  EXPECT_EQ(next(), Do::done);
  EXPECT_EQ(settlement->verdict(), Verdict::composed);
}

TEST_F(SettlementTest, AfterTheDeadlineNothingIsSentAndLookUpsAreAtMostHalfAMinuteApart) {
  place({"a"}, 1s, {kStart + 10min});
  next();
  settlement->lost();
  run_dark_until_answer();
  std::chrono::nanoseconds longest{0};
  while (true) {
    const SteadyTime before = now;
    const Do what = next_after_waits();
    if (what == Do::done) break;
    ASSERT_EQ(what, Do::look_up);
    longest = std::max<std::chrono::nanoseconds>(longest, now - before);
    settlement->looked_up({}, true, now);
  }
  EXPECT_EQ(longest, 30s);
  EXPECT_EQ(fate(0), Fate::unplaced);
  EXPECT_EQ(now, kStart + 10min + 2s);
}

TEST_F(SettlementTest, LookUpsThatFailForADayAreGivenUpWithTheOutcomeUnknown) {
  place({"a"}, 1s);
  next();
  settlement->lost();
  while (next_after_waits() != Do::done) {
    if (step.what == Do::look_up) settlement->looked_up({}, false, now);
  }
  EXPECT_TRUE(settlement->gave_up());
  EXPECT_EQ(settlement->verdict(), Verdict::unknown);
  EXPECT_GE(now, kStart + 7s + 24h);
  EXPECT_LE(now, kStart + 7s + 24h + 30s);
}

TEST_F(SettlementTest, ATradeOfAnEarlierProcessIsLookedUpUntilItIsKnownAndNeverSent) {
  std::vector<Settlement::OrderState> orders = {{"a", Fate::open, {}}, {"b", Fate::placed, "{}"}};
  settlement.emplace(orders, Settlement::Start{kStart, kStart + 1s, {}, true});
  now = kStart + 1s;
  ASSERT_EQ(next(), Do::look_up);
  EXPECT_EQ(step.orders, (std::vector<std::size_t>{0}));
  settlement->looked_up({}, true, now);
  while (next_after_waits() == Do::look_up)
    settlement->looked_up({}, true, now);
  EXPECT_EQ(step.what, Do::done);
  EXPECT_EQ(fate(0), Fate::unplaced);
  EXPECT_EQ(now, kStart + 8s);  // it may have been sent until the process before had ended
}

TEST_F(SettlementTest, ATradeOfDaysAgoIsLookedUpAllTheSame) {
  std::vector<Settlement::OrderState> orders = {{"a", Fate::open, {}}};
  settlement.emplace(orders, Settlement::Start{kStart, kStart + 72h, {}, true});
  now = kStart + 72h;
  while (next_after_waits() == Do::look_up)
    settlement->looked_up({}, true, now);
  EXPECT_EQ(step.what, Do::done);
  EXPECT_EQ(fate(0), Fate::unplaced);
}

TEST_F(SettlementTest, AnEarlierProcessMayHaveSentItLongAfterItCame) {
  std::vector<Settlement::OrderState> orders = {{"a", Fate::open, {}}};
  settlement.emplace(orders, Settlement::Start{kStart, kStart + 9s, {}, true});
  now = kStart + 9s;  // the daemon starts; the order had left in its eighth second
  ASSERT_EQ(next(), Do::look_up);
  settlement->looked_up({}, true, now);
  EXPECT_EQ(fate(0), Fate::open);
  while (next_after_waits() == Do::look_up)
    settlement->looked_up({}, true, now);
  EXPECT_EQ(now, kStart + 16s);
}

TEST_F(SettlementTest, AnOrdersTimeBeginsWhenItLeavesNotWhenItWasPlanned) {
  for (const bool answered : {false, true}) {
    now = kStart;
    place({"a"}, 30s);
    next();
    now += 7s;  // in the queue and connecting
    settlement->leaving(now);
    answered ? settlement->answered(error(503)) : settlement->lost();
    ASSERT_EQ(next(), Do::look_up);
    settlement->looked_up({}, true, now);
    EXPECT_EQ(fate(0), Fate::open);
    run_dark_until_answer();
    EXPECT_EQ(fate(0), Fate::unplaced);
    EXPECT_EQ(now, kStart + 14s);
  }
}

TEST_F(SettlementTest, WhatIsSentAgainMustLeaveBeforeItIsOldOrExpired) {
  for (const auto expires : {std::optional<SteadyTime>(), std::optional(kStart + 2s)}) {
    now = kStart;
    place({"a", "b"}, 15s, {std::nullopt, expires});
    next();
    EXPECT_EQ(step.until, kStart + 15s);
    settlement->lost();
    next();
    settlement->looked_up({}, true, now);
    ASSERT_EQ(next_after_waits(), Do::send);
    EXPECT_EQ(step.until, expires.value_or(kStart + 5s));
  }
}

TEST_F(SettlementTest, NotImplementedSaysNothingOfTheOthersOfABatch) {
  place({"a", "b"});
  next();
  settlement->answered(error(501));
  EXPECT_EQ(fate(0), Fate::open);
  ASSERT_EQ(next(), Do::look_up);
  settlement->looked_up({row("a")}, true, now);
  while (next_after_waits() != Do::answer) {
    ASSERT_EQ(step.what, Do::look_up) << "it is not sent again";
    settlement->looked_up({}, true, now);
  }
  EXPECT_EQ(fate(0), Fate::placed);
  EXPECT_EQ(fate(1), Fate::unplaced);
}

}  // namespace
}  // namespace bridge55::gateway
