#include "bridges/upstream/acks.hpp"

#include "bridges/source.hpp"

#include <gtest/gtest.h>

namespace bridge55 {
namespace {

using upstream::Acks;
using Messages = std::vector<std::string>;

constexpr const char* kTemplate = R"({"type":"ack","seq":"{seq}"})";

TEST(Acks, OneAMessageWhereBatchesAreNotOffered) {
  Acks acks(kTemplate);
  acks.restart(true, false);
  acks.taken(10, "1", "orders", "7");
  acks.taken(11, "\"2\"", "orders", "7");
  acks.taken(12, "3", "orders", "7");
  EXPECT_EQ(acks.durable(9), Messages{});
  EXPECT_EQ(acks.durable(11), (Messages{R"({"type":"ack","seq":1})", R"({"type":"ack","seq":"2"})"}));
  EXPECT_EQ(acks.open(), 1u);
  EXPECT_EQ(acks.durable(12), Messages{R"({"type":"ack","seq":3})"});
}

TEST(Acks, OneACommitWithTheHighestSeqWhereTheyAre) {
  Acks acks(kTemplate);
  acks.restart(true, true);
  acks.taken(10, "99", "orders", "7");
  acks.taken(11, "101", "orders", "7");
  acks.taken(12, "100", "orders", "7");
  EXPECT_EQ(acks.durable(12), Messages{R"({"type":"ack","seq":101})"});
  EXPECT_EQ(acks.durable(13), Messages{});
}

TEST(Acks, ATemplateMayNameSubscriptionAndChannel) {
  Acks acks(R"({"op":"ok","id":"{subscription}","of":"{channel}/{seq}"})");
  acks.restart(true, false);
  acks.taken(1, "5", "orders", "7");
  EXPECT_EQ(acks.durable(1), Messages{R"({"op":"ok","id":7,"of":"orders/5"})"});
}

TEST(Acks, ADroppedRedeliveryWaitsForWhatWasTakenBefore) {
  Acks acks(kTemplate);
  acks.restart(true, false);
  acks.taken(10, "1", "orders", "7");
  acks.repeated("1", "orders", "7");
  EXPECT_EQ(acks.durable(0), Messages{});
  EXPECT_EQ(acks.durable(10).size(), 2u);
  acks.repeated("1", "orders", "7");
  EXPECT_EQ(acks.durable(0).size(), 1u);
}

TEST(Acks, AProvisionalIdOpensNothingUntilItIsSettled) {
  constexpr events::EventId kHeld = bridges::kProvisional + 1;
  Acks acks(kTemplate);
  acks.restart(true, false);
  acks.taken(kHeld, "1", "orders", "7");
  acks.repeated("1", "orders", "7");
  acks.taken(10, "2", "orders", "7");
  EXPECT_EQ(acks.durable(10), Messages{});
  acks.settled(kHeld, 12);
  EXPECT_EQ(acks.durable(11), Messages{});
  EXPECT_EQ(acks.durable(12).size(), 3u);
}

TEST(Acks, ANewSubscriptionForgetsTheOldOnes) {
  Acks acks(kTemplate);
  acks.restart(true, false);
  acks.taken(10, "1", "orders", "7");
  acks.restart(true, false);
  EXPECT_EQ(acks.durable(10), Messages{});
}

TEST(Acks, AreOffWhereTheServerDoesNotOfferThem) {
  Acks acks(kTemplate);
  acks.restart(false, false);
  acks.taken(10, "1", "orders", "7");
  EXPECT_EQ(acks.durable(10), Messages{});
}

}  // namespace
}  // namespace bridge55
