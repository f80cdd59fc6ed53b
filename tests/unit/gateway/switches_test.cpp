// Pauses and the vendor's emergency: what stops what, and what a restart remembers.
#include "daemon/gateway/switches.hpp"

#include "daemon/events/json.hpp"

#include <gtest/gtest.h>

namespace bridge55::gateway {
namespace {

constexpr WallMicros kThen = 1771183909789001;

TEST(Pauses, AnUnnarrowedOneStopsEverything) {
  Pauses pauses;
  EXPECT_EQ(pauses.stops("a", "abp"), nullptr);
  pauses.pause({{}, "ops", kThen});
  ASSERT_NE(pauses.stops("a", "abp"), nullptr);
  EXPECT_EQ(pauses.stops("a", "abp")->by, "ops");
}

TEST(Pauses, ANarrowedOneStopsItsOwnAlone) {
  Pauses pauses;
  pauses.pause({{"a", ""}, "ops", kThen});
  pauses.pause({{"", "mm"}, "ops", kThen});
  EXPECT_NE(pauses.stops("a", "abp"), nullptr);
  EXPECT_NE(pauses.stops("b", "mm"), nullptr);
  EXPECT_EQ(pauses.stops("b", "abp"), nullptr);
}

TEST(Pauses, ResumeEndsWhatIsInsideItsScope) {
  Pauses pauses;
  pauses.pause({{}, "ops", kThen});
  pauses.pause({{"a", ""}, "ops", kThen});
  pauses.pause({{"a", "abp"}, "ops", kThen});
  EXPECT_EQ(pauses.resume({"a", ""}), 2u);
  EXPECT_NE(pauses.stops("a", "abp"), nullptr);  // the one for everything stands
  EXPECT_EQ(pauses.resume({}), 1u);
  EXPECT_EQ(pauses.stops("a", "abp"), nullptr);
}

TEST(Pauses, TextComesBackAsItWas) {
  Pauses pauses;
  EXPECT_EQ(pauses.text(), "");
  pauses.pause({{"a \"quoted\"", "abp"}, "uid:0", kThen});
  Pauses again;
  again.restore(pauses.text());
  ASSERT_EQ(again.all().size(), 1u);
  EXPECT_EQ(again.all()[0].scope.app, "a \"quoted\"");
  EXPECT_EQ(again.all()[0].by, "uid:0");
  EXPECT_EQ(again.all()[0].since, kThen);
  EXPECT_EQ(again.text(), pauses.text());
  EXPECT_FALSE(again.restore("{broken"));
  EXPECT_FALSE(again.restore("damaged"));
  EXPECT_EQ(again.all().size(), 1u);
}

TEST(Emergencies, BothVendorsWordsAreUnderstood) {
  Emergency abp, mm;
  EXPECT_TRUE(abp.told(R"({"active":true,"reason":"x"})", kThen));
  EXPECT_TRUE(mm.told(R"({"emergency": true})", kThen));
  EXPECT_TRUE(abp.blocks() && mm.blocks());
  EXPECT_TRUE(abp.told(R"({"active":false,"reason":"x"})", kThen));
  EXPECT_FALSE(abp.blocks());
  EXPECT_FALSE(Emergency().blocks());
}

TEST(Emergencies, AnOverruleHoldsUntilTheNextChange) {
  Emergency emergency;
  EXPECT_FALSE(emergency.overrule("ops"));
  emergency.told(R"({"active":true,"ts":1})", kThen);
  EXPECT_TRUE(emergency.overrule("ops"));
  EXPECT_FALSE(emergency.blocks());
  EXPECT_TRUE(emergency.active());
  EXPECT_FALSE(emergency.told(R"({"active":true,"ts":2})", kThen));  // said again is no change
  EXPECT_FALSE(emergency.blocks());
  EXPECT_TRUE(emergency.told(R"({"active":false,"ts":3})", kThen));
  EXPECT_TRUE(emergency.told(R"({"active":true,"ts":4})", kThen));
  EXPECT_TRUE(emergency.blocks());
}

TEST(Emergencies, WhatSaysNeitherOnNorOffChangesNothing) {
  Emergency emergency;
  for (const char* vague :
       {"{}", "[]", R"({"status":"active"})", R"({"active":"true"})", R"({"active":1})"}) {
    EXPECT_FALSE(emergency.told(vague, kThen)) << vague;
    EXPECT_EQ(emergency.text(), "") << vague;
  }
  emergency.told(R"({"active":true})", kThen);
  EXPECT_FALSE(emergency.told("{}", kThen));
  EXPECT_TRUE(emergency.blocks());
}

TEST(Emergencies, WhatAnEarlierSessionToldStillBlocksAndIsStale) {
  Emergency emergency;
  emergency.told(R"({"active":true})", kThen);
  emergency.session_ended();
  EXPECT_TRUE(emergency.blocks());
  EXPECT_EQ(json::find(emergency.status(), "stale"), "true");
  emergency.told(R"({"active":true})", kThen);
  EXPECT_EQ(json::find(emergency.status(), "stale"), "false");
}

TEST(Emergencies, ARecordThatCannotBeReadBlocksUntilSomebodyKnowsBetter) {
  Emergency none, damaged;
  none.restore("");
  EXPECT_FALSE(none.blocks());
  damaged.restore("damaged");
  EXPECT_TRUE(damaged.blocks());
  EXPECT_EQ(json::find(damaged.status(), "stale"), "true");
  EXPECT_TRUE(damaged.told(R"({"active":false})", kThen));
  EXPECT_FALSE(damaged.blocks());
}

TEST(Emergencies, ARestartRemembersValueAndOverrule) {
  Emergency emergency;
  EXPECT_EQ(emergency.text(), "");
  emergency.told(R"({"active":true,"n":1.50})", kThen);
  Emergency again;
  again.restore(emergency.text());
  EXPECT_TRUE(again.blocks());
  EXPECT_EQ(json::find(again.status(), "payload"), R"({"active":true,"n":1.50})");
  EXPECT_EQ(json::find(again.status(), "stale"), "true");
  again.overrule("ops");
  Emergency third;
  third.restore(again.text());
  EXPECT_FALSE(third.blocks());
  EXPECT_FALSE(third.told(R"({"active":true,"n":1.50})", kThen));
  EXPECT_FALSE(third.blocks());
}

}  // namespace
}  // namespace bridge55::gateway
