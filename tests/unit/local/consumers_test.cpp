// The book of durable names, without sockets and with a clock of its own.
#include "daemon/local/consumers.hpp"

#include <gtest/gtest.h>

namespace bridge55::local {
namespace {

using namespace std::chrono_literals;

struct Stream final : Holder {
  int replacements = 0, deletions = 0;
  void replaced() override { ++replacements; }
  void deleted() override { ++deletions; }
};

class Book : public ::testing::Test {
 protected:
  App a{"a", 1, true}, b{"b", 1, true}, ops{"ops", static_cast<unsigned>(config::Scope::admin), true},
      anybody{};
  std::map<std::string, events::ConsumerRecord> stored;
  int moved = 0;
  Consumers book{{[this](const events::ConsumerRecord& record) { stored[record.name] = record; },
                  [this](const std::string& name) { stored.erase(name); }, [this] { ++moved; }}};
  Stream stream, other;
  Now at(std::chrono::seconds since_start) const {
    return {std::chrono::microseconds(1h + since_start).count(), SteadyTime(1h + since_start)};
  }
};

TEST_F(Book, ANewNameIsStoredAtOnceWithItsOwner) {
  const auto opened = book.open("risk", a, 100, &stream, at(0s));
  EXPECT_TRUE(opened.created);
  EXPECT_EQ(stored.at("risk").owner, "a");
  EXPECT_EQ(stored.at("risk").cursor, 100u);
  EXPECT_EQ(book.lowest(), 100u);
  EXPECT_EQ(moved, 1);
}

TEST_F(Book, AKnownNameKeepsItsCursor) {
  book.open("risk", a, 100, &stream, at(0s));
  book.close(*book.open("risk", a, 999, &stream, at(1s)).entry, &stream, at(2s));
  EXPECT_EQ(stored.at("risk").cursor, 100u);
}

TEST_F(Book, AcksMoveForwardOnlyAndNoFurtherThanWhatWasSent) {
  auto* entry = book.open("risk", a, 100, &stream, at(0s)).entry;
  entry->sent_through = 200;
  EXPECT_EQ(book.ack("risk", a, 150, at(1s)).cursor, 150u);
  EXPECT_EQ(book.ack("risk", a, 120, at(1s)).cursor, 150u);
  EXPECT_EQ(book.ack("risk", a, 5000, at(1s)).cursor, 200u);
  EXPECT_EQ(stored.at("risk").cursor, 200u);
  EXPECT_EQ(book.ack("nobody", a, 1, at(1s)).result, Consumers::Result::unknown);
}

TEST_F(Book, WhatWasSentMayStillBeAcknowledgedAfterTheStreamBroke) {
  auto* entry = book.open("risk", a, 100, &stream, at(0s)).entry;
  entry->sent_through = 200;
  book.close(*entry, &stream, at(1s));
  EXPECT_EQ(book.ack("risk", a, 180, at(2s)).cursor, 180u);
}

TEST_F(Book, ASecondStreamReplacesTheFirst) {
  auto* entry = book.open("risk", a, 100, &stream, at(0s)).entry;
  book.open("risk", a, 100, &other, at(1s));
  EXPECT_EQ(stream.replacements, 1);
  book.close(*entry, &stream, at(2s));  // the first one's end does not free the name
  EXPECT_EQ(entry->holder, &other);
  EXPECT_EQ(other.replacements, 0);
}

TEST_F(Book, OnlyTheOwnerUsesANameAndAnAdminMayEndIt) {
  book.open("risk", a, 100, &stream, at(0s));
  EXPECT_EQ(book.check("risk", b), Consumers::Result::other_owner);
  EXPECT_EQ(book.open("risk", b, 1, &other, at(1s)).result, Consumers::Result::other_owner);
  EXPECT_EQ(book.ack("risk", b, 100, at(1s)).result, Consumers::Result::other_owner);
  EXPECT_EQ(book.erase("risk", b), Consumers::Result::other_owner);
  EXPECT_EQ(stream.replacements, 0);
  EXPECT_EQ(book.erase("risk", ops), Consumers::Result::done);
  EXPECT_EQ(stream.deletions, 1);
  EXPECT_TRUE(stored.empty());
}

TEST_F(Book, WithoutClientsEveryAppIsTheSameOneAndTheNameGoesToTheFirstKnownApp) {
  book.open("risk", anybody, 100, &stream, at(0s));
  EXPECT_EQ(book.check("risk", b), Consumers::Result::done);
  book.open("risk", b, 1, &stream, at(1s));
  EXPECT_EQ(stored.at("risk").owner, "b");
  EXPECT_EQ(book.check("risk", a), Consumers::Result::other_owner);
}

TEST_F(Book, ThereAreAtMostAThousand) {
  for (int i = 0; i < 1000; ++i)
    ASSERT_EQ(book.open("n" + std::to_string(i), a, 1, &stream, at(0s)).result, Consumers::Result::done);
  EXPECT_EQ(book.check("one-more", a), Consumers::Result::full);
  EXPECT_EQ(book.open("n5", a, 1, &stream, at(0s)).result, Consumers::Result::done);
}

TEST_F(Book, UnusedNamesExpireAndUsedOnesDoNot) {
  auto* entry = book.open("gone", a, 100, &stream, at(0s)).entry;
  book.close(*entry, &stream, at(0s));
  book.open("used", a, 100, &other, at(0s));
  EXPECT_TRUE(book.expire(at(3599s), 1h).empty());
  const auto dropped = book.expire(at(3601s), 1h);
  ASSERT_EQ(dropped.size(), 1u);
  EXPECT_EQ(dropped[0].name, "gone");
  EXPECT_EQ(stored.count("gone"), 0u);
  EXPECT_GT(stored.at("used").last_used, at(3000s).wall) << "so that a restart does not find it unused";
}

TEST_F(Book, AStepOfTheWallClockDropsNothing) {
  auto* entry = book.open("risk", a, 100, &stream, at(0s)).entry;
  book.close(*entry, &stream, at(0s));
  Now stepped = at(60s);
  stepped.wall += std::chrono::microseconds(24h * 365 * 12).count();
  EXPECT_TRUE(book.expire(stepped, 1h).empty());
}

TEST_F(Book, ALongStopOfTheDaemonGivesAppsTenMinutesToComeBack) {
  book.restore({{"risk", "a", 100, 0}}, {std::chrono::microseconds(24h * 30).count(), SteadyTime(1h)});
  EXPECT_TRUE(
      book.expire({std::chrono::microseconds(24h * 30).count(), SteadyTime(1h + 9min)}, 24h * 7).empty());
  EXPECT_EQ(
      book.expire({std::chrono::microseconds(24h * 30).count(), SteadyTime(1h + 11min)}, 24h * 7).size(), 1u);
}

}  // namespace
}  // namespace bridge55::local
