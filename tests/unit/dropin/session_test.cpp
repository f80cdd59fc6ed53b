// Signing on, keep-alive and outages, by the clock.
#include "tests/unit/dropin/stage.hpp"

namespace bridge55::test {
namespace {

class DropInSession : public DropInStage {};
class MmDropInSession : public DropInStage {
 protected:
  MmDropInSession() : DropInStage(true) {}
};

std::string error(std::string_view text) {
  return dropin::error_text(text);
}

TEST_F(DropInSession, WithoutALoginIn30SecondsItIsClosedWith1008) {
  begin();
  after(29s);
  hear("nonsense");
  hear(R"({"type":"ping"})");
  EXPECT_EQ(voice.code, 0);
  after(1s);
  EXPECT_EQ(voice.code, 1008);
  EXPECT_EQ(voice.reason, "Login timeout");
}

TEST_F(MmDropInSession, WithoutASubscriptionIn30SecondsItIsClosedWith1008) {
  begin();
  after(30s);
  EXPECT_EQ(voice.code, 1008);
  EXPECT_EQ(voice.reason, "Subscribe timeout");
}

TEST_F(DropInSession, TheConfirmationHasTheVendorsShape) {
  upstream_up();
  begin();
  hear(R"({"type":"login","apiKey":"k","channels":["bets","scores"]})");
  EXPECT_EQ(
      voice.last(),
      R"({"type":"login_ok","clientName":"demo","channels":["bets"],"subscriptionId":1,"access":{"global":[]},)"
      R"("reliableDelivery":false,"features":{"messageOrdering":true,"acknowledgments":false,"batchAck":false}})");
  EXPECT_TRUE(voice.listening);
  begin();
  hear(R"({"type":"login","reliableDelivery":true})");
  EXPECT_EQ(
      voice.last(),
      R"({"type":"login_ok","clientName":"demo","channels":["orders","bets","emergency"],"subscriptionId":2,"access":{"global":[]},)"
      R"("reliableDelivery":true,"features":{"messageOrdering":true,"acknowledgments":true,"batchAck":true}})");
}

TEST_F(DropInSession, AnUpstreamThatTellsLittleStillMakesAWholeConfirmation) {
  line->granted({}, now);
  line->come_up();
  begin();
  hear(R"({"type":"login","channels":["bets"]})");
  EXPECT_NE(voice.last().find(R"("clientName":"","channels":["bets"])"), std::string::npos) << voice.last();
  EXPECT_NE(voice.last().find(R"("clientFiltered":["orders")"), std::string::npos);
}

TEST_F(DropInSession, ALoginWaitsForUpstreamAndIsThenAnswered) {
  begin();
  login();
  after(29s);
  EXPECT_TRUE(voice.said.empty());
  EXPECT_FALSE(voice.listening);
  upstream_up();
  EXPECT_NE(voice.last().find("login_ok"), std::string::npos);
  after(60s);
  EXPECT_EQ(voice.code, 0);
}

TEST_F(DropInSession, ALoginWaitsNoLongerThan30Seconds) {
  begin();
  after(20s);
  login();
  after(29s);
  EXPECT_EQ(voice.code, 0);
  after(1s);
  EXPECT_EQ(voice.last(), error("Service unavailable"));
  EXPECT_EQ(voice.code, 1011);
}

TEST_F(DropInSession, ASecondLoginIsAnErrorWaitingOrNot) {
  begin();
  login();
  login();
  EXPECT_EQ(voice.last(), error("Already logged in"));
  upstream_up();
  login();
  EXPECT_EQ(voice.last(), error("Already logged in"));
  EXPECT_EQ(voice.code, 0);
}

TEST_F(DropInSession, AStrangerIsRefusedInTheVendorsWords) {
  upstream_up();
  voice.token = "right";
  begin();
  login();
  EXPECT_EQ(voice.last(), error("Invalid API key"));
  EXPECT_EQ(voice.code, 1008);
  hear(R"({"type":"login","apiKey":"right"})");
  EXPECT_EQ(voice.said.size(), 1u);
}

TEST_F(DropInSession, WhoMayNotReadEventsIsRefused) {
  upstream_up();
  voice.token = "right";
  voice.forbids = true;
  begin();
  login();
  EXPECT_EQ(voice.last(), error("API key is inactive"));
  EXPECT_EQ(voice.code, 1008);
}

TEST_F(DropInSession, ALoginThatCannotBeServedSaysWhyAndCloses) {
  upstream_up();
  begin();
  hear(R"({"type":"login","channels":"orders"})");
  EXPECT_EQ(voice.last(), error("channels must be a list of channel names"));
  EXPECT_EQ(voice.code, 1008);
}

TEST_F(DropInSession, ANameThatIsRefusedGetsNoConfirmation) {
  upstream_up();
  voice.refuses_names = true;
  begin();
  login(R"(,"consumer":"risk")");
  EXPECT_TRUE(voice.said.empty());
  after(1s);
  EXPECT_EQ(voice.code, 0);  // the feed has closed by itself
}

TEST_F(DropInSession, ItPingsEvery30SecondsAndClosesAfter120WithoutAPong) {
  upstream_up();
  begin();
  login();
  voice.said.clear();
  after(29s);
  EXPECT_TRUE(voice.said.empty());
  after(1s);
  EXPECT_EQ(voice.last(), R"({"type":"ping"})");
  hear(R"({"type":"pong"})");
  for (int i = 0; i < 4; ++i)
    after(30s);
  EXPECT_EQ(voice.said.size(), 5u);
  hear(R"({"type":"pong"})");
  after(30s);
  after(119s);
  EXPECT_EQ(voice.code, 0);
  after(1s);
  EXPECT_EQ(voice.code, 1008);
  EXPECT_EQ(voice.reason, "Pong timeout");
}

TEST_F(DropInSession, AnAppThatDoesNotReadHasNotSeenThePing) {
  upstream_up();
  begin();
  login();
  after(30s);
  voice.flowing = false;
  for (int i = 0; i < 600; ++i)
    after(1s);
  EXPECT_EQ(voice.code, 0);
  voice.flowing = true;
  after(119s);
  EXPECT_EQ(voice.code, 0);
  after(1s);
  EXPECT_EQ(voice.code, 1008);
}

TEST_F(MmDropInSession, ItSendsAHeartbeatEvery60SecondsAndWantsNoAnswer) {
  upstream_up();
  begin();
  hear(R"({"type":"subscribe","api_key":"k"})");
  voice.said.clear();
  after(59s);
  EXPECT_TRUE(voice.said.empty());
  for (int i = 0; i < 10; ++i)
    after(60s);
  EXPECT_EQ(voice.said, std::vector<std::string>(10, R"({"type":"heartbeat"})"));
  EXPECT_EQ(voice.code, 0);
}

TEST_F(MmDropInSession, AfterAnUnsubscribeAnotherSubscriptionMayFollow) {
  upstream_up();
  begin();
  hear(R"({"type":"unsubscribe"})");
  EXPECT_EQ(voice.last(), error("Not subscribed"));
  hear(R"({"type":"subscribe","api_key":"k"})");
  hear(R"({"type":"unsubscribe"})");
  EXPECT_EQ(voice.last(), R"({"type":"unsubscribed","subscription_id":1})");
  EXPECT_FALSE(voice.listening);
  after(1h);
  EXPECT_EQ(voice.code, 0);
  hear(R"({"type":"subscribe","apiKey":"k","channels":["orders"]})");
  EXPECT_EQ(voice.last(), R"({"type":"subscribed","subscriptionId":2,"channels":["orders"]})");
  EXPECT_TRUE(voice.listening);
}

TEST_F(DropInSession, DownFor5SecondsIsTheEndWith1012) {
  upstream_up();
  begin();
  login();
  line->went_down(now);
  after(4s);
  EXPECT_EQ(voice.code, 0);
  line->come_up();
  after(10s);
  line->went_down(now);
  line->went_down(now + 4s);  // a second word changes nothing
  after(5s);
  EXPECT_EQ(voice.code, 1012);
}

TEST_F(DropInSession, LostEventsAreTheEndWith1012ButOnlyForThoseWhoListened) {
  begin();
  login();
  line->come_up();
  line->lost_events();  // what was missed before the login
  line->admit(now);
  after(1s);
  EXPECT_EQ(voice.code, 0);
  line->lost_events();
  EXPECT_EQ(voice.code, 0);  // the hole shows in `seq` first
  after(1s);
  EXPECT_EQ(voice.code, 1012);
}

TEST_F(DropInSession, AnUpstreamThatIsGoneClosesEveryApp) {
  upstream_up();
  begin();
  line->close_all();
  EXPECT_EQ(voice.code, 1012);
  FakeVoice late;
  dropin::Session session2(line);
  session2.begin(late, now);
  EXPECT_EQ(late.code, 1012);
}

TEST_F(DropInSession, WhereEverythingWasAskedForNothingGrows) {
  upstream_up();
  begin();
  hear(R"({"type":"login","channels":["orders","never-heard-of"]})");
  EXPECT_TRUE(growths.empty());
  EXPECT_NE(voice.last().find(R"("channels":["orders"])"), std::string::npos);
}

}  // namespace
}  // namespace bridge55::test
