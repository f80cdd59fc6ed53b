// Acknowledgements, redeliveries and the stall of a window that does not move.
#include "tests/unit/upstream/session_fixture.hpp"

namespace bridge55 {
namespace {

using namespace std::chrono_literals;
using test::kLoginOk;
using test::kReliable;
using test::SessionTest;
using upstream::Cause;

class ReliableTest : public SessionTest {
 protected:
  ReliableTest() { settings.reliable_delivery = true; }
};

TEST_F(ReliableTest, AcksGoOutOnlyOnceTheEventIsDurable) {
  log_in(kReliable);
  EXPECT_NE(did.sent.at(0).find("\"reliableDelivery\":true"), std::string::npos);
  did.sent.clear();
  data("1");
  data("2");
  EXPECT_TRUE(did.sent.empty());
  session->durable(1, now);
  EXPECT_EQ(did.sent, std::vector<std::string>{R"({"type":"ack","seq":1})"});
}

TEST_F(ReliableTest, NothingIsAcknowledgedWhereTheServerDoesNotOfferIt) {
  log_in(kLoginOk);
  did.sent.clear();
  data("1");
  session->durable(1, now);
  EXPECT_TRUE(did.sent.empty());
}

TEST_F(ReliableTest, ARedeliveryIsPossibleRightBehindTheLoginAndIsAcknowledgedAgain) {
  log_in(kReliable);
  did.drop_as_duplicate = true;
  did.sent.clear();
  data("1");
  EXPECT_TRUE(did.published.at(0).may_repeat);
  EXPECT_EQ(did.sent, std::vector<std::string>{R"({"type":"ack","seq":1})"});
  pass(11s);
  data("2");
  EXPECT_FALSE(did.published.at(1).may_repeat);
}

TEST_F(ReliableTest, AStallAtTheWindowEndsWithALoginWithoutReliableDelivery) {
  log_in(kReliable);
  for (int i = 1; i <= 100; ++i)
    data(std::to_string(i));
  session->durable(100, now);
  for (int i = 0; i < 2; ++i) {
    run_for(4s);
    text(R"({"type":"heartbeat"})");
  }
  EXPECT_FALSE(session->end());
  run_for(3s);
  EXPECT_EQ(cause(), Cause::stall);
  did.sent.clear();
  session->opened(now);
  EXPECT_EQ(did.sent.at(0).find("reliableDelivery"), std::string::npos);
}

TEST_F(ReliableTest, APeerThatClosesAtTheWindowIsAStallOnceWith1013AndElseTheSecondTime) {
  const auto fill = [this] {
    log_in(kReliable);
    for (int i = 1; i <= 100; ++i)
      data(std::to_string(i));
    session->durable(did.next_id, now);
  };
  fill();
  session->broke({Cause::reset, "gone", 0, {}});
  EXPECT_EQ(cause(), Cause::reset);
  session->opened(now);
  fill();
  session->broke({Cause::reset, "gone", 0, {}});
  EXPECT_EQ(cause(), Cause::stall);
  session.reset();
  fill();
  close(1013, "Output queue full");
  EXPECT_EQ(cause(), Cause::stall);
  EXPECT_FALSE(session->asks_reliable());
}

TEST_F(ReliableTest, ASlowFeedIsNotTakenForAStalledOne) {
  log_in(kReliable);
  for (int i = 1; i <= 100; ++i) {
    run_for(5s);
    text(R"({"type":"heartbeat"})");
    data(std::to_string(i));
    session->durable(did.next_id, now);
  }
  for (int i = 0; i < 19; ++i) {
    run_for(5s);
    text(R"({"type":"heartbeat"})");
  }
  EXPECT_FALSE(session->end());
  run_for(10s);
  EXPECT_EQ(cause(), Cause::stall);
}

TEST_F(ReliableTest, AWindowThatMovedOrIsOursToMoveIsNoStall) {
  log_in(kReliable);
  for (int i = 1; i <= 150; ++i)
    data(std::to_string(i));
  session->durable(150, now);
  run_for(20s);
  EXPECT_FALSE(session->end());
  session->opened(now);
  log_in(kReliable);
  for (int i = 1; i <= 100; ++i)
    data(std::to_string(i));
  run_for(20s);  // the journal has not committed: no ack was sent
  EXPECT_FALSE(session->end());
}

}  // namespace
}  // namespace bridge55
