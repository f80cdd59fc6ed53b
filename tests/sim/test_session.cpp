// The vendor's session rules on a virtual clock (vendor docs: ABP WebSocket, MM WebSocket).
#include "tests/sim/session.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace bridge55::sim {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

constexpr std::string_view kMmKey = "55555555-5555-4555-8555-555555555555";

class RecordingLink : public ClientLink {
 public:
  void send(std::string_view kind, std::string_view head, std::string_view tail) override {
    kinds.emplace_back(kind);
    texts.push_back(std::string(head).append(tail));
  }
  void close(std::uint16_t code, std::string_view why) override {
    closed = code;
    reason = why;
  }
  std::size_t queued() const override { return backlog; }
  bool stalled() const override { return frozen; }

  json last() const { return json::parse(texts.back()); }
  std::vector<json> data() const {
    std::vector<json> found;
    for (const auto& text : texts) {
      if (json message = json::parse(text); message["type"] == "data") found.push_back(std::move(message));
    }
    return found;
  }

  std::vector<std::string> kinds, texts;
  std::uint16_t closed = 0;
  std::string reason;
  std::size_t backlog = 0;
  bool frozen = false;
};

Options options() {
  Options o;
  o.abp_keys = {{"abp-demo-key", "demo"}, {"old", "demo", Key::State::expired}, {"other", "else"}};
  o.mm_keys = {{std::string(kMmKey), "demo"}};
  return o;
}

class SimSession : public testing::Test {
 protected:
  explicit SimSession(Options o = options()) : vendor(std::move(o)) {}

  void start(Api api) { session.emplace(vendor, link, api, now); }
  void login(const std::string& more = "") {
    start(Api::abp);
    session->on_message(R"({"type":"login","apiKey":"abp-demo-key","channels":[])" + more + "}", now);
  }
  void tell(std::string_view channel, std::string_view client = "demo") {
    body = R"({"type":"data","channel":")" + std::string(channel) + R"(","event":"UPDATE","payload":{"n":)" +
           std::to_string(++told) + "}";
    session->deliver({session->api(), channel_number(session->api(), channel), body, 1771183909789, client});
  }
  void pass(Clock::duration time) {
    now += time;
    session->tick(now);
  }
  std::string error() const { return link.last().value("message", ""); }

  Vendor vendor;
  RecordingLink link;
  TimePoint now{1h};
  std::optional<Session> session;
  std::string body;
  int told = 0;
};

TEST_F(SimSession, AbpClosesWith1008WithoutALoginInThirtySeconds) {
  start(Api::abp);
  pass(29'999ms);
  EXPECT_EQ(link.closed, 0);
  pass(1ms);
  EXPECT_EQ(link.closed, 1008);
}

TEST_F(SimSession, AbpRefusesAnUnknownKeyThenCloses1008) {
  start(Api::abp);
  session->on_message(R"({"type":"login","apiKey":"nope"})", now);
  EXPECT_EQ(link.last(), json::parse(R"({"type":"error","message":"Invalid API key"})"));
  EXPECT_EQ(link.closed, 1008);
}

TEST_F(SimSession, AbpTellsAnExpiredKeyFromAnUnknownOne) {
  start(Api::abp);
  session->on_message(R"({"type":"login","apiKey":"old"})", now);
  EXPECT_EQ(error(), "API key has expired");
}

TEST_F(SimSession, AbpLoginOkIsTheDocumentedMessage) {
  login();
  EXPECT_EQ(link.last(),
            json::parse(R"({"type":"login_ok","clientName":"demo","channels":["orders","bets","settlements",
    "accounts","balance","betslip","fixtures","currencies","status","emergency"],"subscriptionId":1,
    "access":{"clientFiltered":["orders","bets","settlements","accounts","balance","betslip"],
    "global":["fixtures","currencies","status","emergency"]},"reliableDelivery":false,
    "features":{"messageOrdering":true,"acknowledgments":false,"batchAck":false}})"));
}

TEST_F(SimSession, SeqStartsAtOneForEachSubscription) {
  login();
  tell("orders");
  tell("bets");
  EXPECT_EQ(link.data().front()["seq"], 1);
  EXPECT_EQ(link.data().back()["seq"], 2);
  session.reset();
  login();
  tell("orders");
  EXPECT_EQ(link.data().back()["seq"], 1);
}

TEST_F(SimSession, OnlyAskedChannelsAreDelivered) {
  start(Api::abp);
  session->on_message(R"({"type":"login","apiKey":"abp-demo-key","channels":["bets","nonsense"]})", now);
  EXPECT_EQ(link.last()["channels"], json({"bets"}));
  tell("orders");
  tell("bets");
  ASSERT_EQ(link.data().size(), 1u);
  EXPECT_EQ(link.data().front()["channel"], "bets");
}

TEST_F(SimSession, ClientFilteredChannelsReachOnlyTheirClientAndGlobalOnesEveryone) {
  start(Api::abp);
  session->on_message(R"({"type":"login","apiKey":"other"})", now);
  tell("orders", "demo");
  tell("emergency", "");
  ASSERT_EQ(link.data().size(), 1u);
  EXPECT_EQ(link.data().front()["channel"], "emergency");
}

TEST_F(SimSession, TheSixthSessionOfAKeyIsRefusedAndAFreedSlotIsUsable) {
  std::deque<RecordingLink> links(5);
  std::deque<Session> sessions;
  for (auto& other : links) {
    sessions.emplace_back(vendor, other, Api::abp, now)
        .on_message(R"({"type":"login","apiKey":"abp-demo-key"})", now);
    EXPECT_EQ(other.last()["type"], "login_ok");
  }
  login();
  EXPECT_EQ(error(), "Connection limit exceeded");
  EXPECT_EQ(link.closed, 1008);
  sessions.pop_back();
  login();
  EXPECT_EQ(link.last()["type"], "login_ok");
}

TEST_F(SimSession, AbpPingsEveryThirtySecondsAndClosesWithoutAPongFor120) {
  login();
  pass(30s);
  EXPECT_EQ(link.last()["type"], "ping");
  session->on_message(R"({"type":"pong"})", now);
  pass(30s);  // this one stays unanswered
  for (int i = 0; i < 119; ++i)
    pass(1s);
  EXPECT_EQ(link.closed, 0);
  pass(1s);
  EXPECT_EQ(link.closed, 1008);
}

TEST_F(SimSession, BothApisAnswerAClientPing) {
  login();
  session->on_message(R"({"type":"ping"})", now);
  EXPECT_EQ(link.last()["type"], "pong");
  start(Api::mm);
  session->on_message(R"({"type":"ping"})", now);
  EXPECT_EQ(link.last()["type"], "pong");
}

TEST_F(SimSession, WhatItDoesNotUnderstandGetsAnErrorAndNoClose) {
  login();
  for (const char* text :
       {"not json", "[]", R"({"type":7})", R"({"type":"dance"})", R"({"type":"ack","seq":1})"}) {
    session->on_message(text, now);
    EXPECT_EQ(link.last()["type"], "error") << text;
  }
  EXPECT_EQ(link.closed, 0);
}

TEST_F(SimSession, AFullOutputQueueClosesWith1013) {
  login();
  link.backlog = 2000;
  tell("orders");
  EXPECT_EQ(link.closed, 1013);
}

TEST_F(SimSession, AStalledConnectionLosesItsOverflowTogetherWithItsNumbers) {
  login();
  link.frozen = true;
  link.backlog = 2000;
  tell("orders");
  EXPECT_EQ(link.closed, 0);
  link.frozen = false;
  link.backlog = 0;
  tell("orders");
  EXPECT_EQ(link.data().back()["seq"], 2);
}

TEST_F(SimSession, ReliableDeliveryStopsAtAHundredUnacknowledgedMessages) {
  login(R"(,"reliableDelivery":true)");
  EXPECT_TRUE(link.last()["features"]["acknowledgments"]);
  for (int i = 0; i < 105; ++i)
    tell("orders");
  ASSERT_EQ(link.data().size(), 100u);
  EXPECT_EQ(link.data().front()["requireAck"], true);
  session->on_message(R"({"type":"ack","seq":100})", now);  // that one, without batchAck
  EXPECT_EQ(link.data().size(), 101u);
  session->on_message(R"({"type":"ack","seqs":[1,2,3,77777]})", now);
  EXPECT_EQ(link.data().size(), 104u);
  EXPECT_EQ(vendor.stats_of(Api::abp).acked, 4u);
}

TEST_F(SimSession, ABatchAckCoversEverythingUpToItsSeq) {
  vendor.options.batch_ack = true;
  login(R"(,"reliableDelivery":true)");
  EXPECT_TRUE(link.last()["features"]["batchAck"]);
  for (int i = 0; i < 10; ++i)
    tell("orders");
  session->on_message(R"({"type":"ack","seq":9})", now);
  EXPECT_EQ(session->unacked(), 1u);
}

TEST_F(SimSession, UnacknowledgedMessagesComeAgainWithTheSameBytesAndANewSeq) {
  login(R"(,"reliableDelivery":true)");
  for (int i = 0; i < 3; ++i)
    tell("orders");
  const auto first = link.data();
  session->on_message(R"({"type":"ack","seq":1})", now);
  session.reset();
  link.texts.clear();
  login(R"(,"reliableDelivery":true)");
  const auto again = link.data();
  ASSERT_EQ(again.size(), 2u);
  EXPECT_EQ(again[0]["payload"], first[1]["payload"]);
  EXPECT_EQ(again[0]["ts"], first[1]["ts"]);
  EXPECT_EQ(again[0]["seq"], 1);
  EXPECT_EQ(vendor.stats_of(Api::abp).redelivered, 2u);
}

TEST_F(SimSession, ASeqHoleLeavesNumbersOutAndMayLoseTheirMessages) {
  login();
  tell("orders");
  session->seq_hole(3, false);
  tell("orders");
  EXPECT_EQ(link.data().back()["seq"], 5);
  session->seq_hole(2, true);
  for (int i = 0; i < 3; ++i)
    tell("orders");
  ASSERT_EQ(link.data().size(), 3u);
  EXPECT_EQ(link.data().back()["seq"], 8);
}

TEST_F(SimSession, ADuplicateIsTheLastFrameByteForByte) {
  login();
  tell("orders");
  session->duplicate();
  ASSERT_EQ(link.texts.size(), 3u);
  EXPECT_EQ(link.texts[1], link.texts[2]);
}

TEST_F(SimSession, TheHeartbeatEditionBeatsEverySixtySecondsAndWantsClientPings) {
  vendor.options.abp_keepalive = AbpKeepAlive::heartbeat;
  login();
  pass(60s);
  EXPECT_EQ(link.last()["type"], "heartbeat");
  EXPECT_TRUE(link.last()["ts"].is_number());
  session->on_message(R"({"type":"ping"})", now);
  pass(119s);
  EXPECT_EQ(link.closed, 0);
  pass(1s);
  EXPECT_EQ(link.closed, 1008);
}

struct Refusal {
  const char* message;
  const char* text;
};

TEST_F(SimSession, MmNamesWhatIsWrongWithTheKeyInTheClientsEdition) {
  const Refusal refusals[] = {
      {R"({"type":"subscribe"})", "api_key required"},
      {R"({"type":"subscribe","api_key":"abc"})", "Invalid api_key format"},
      {R"({"type":"subscribe","apiKey":"abc"})", "Invalid apiKey format"},
      {R"({"type":"subscribe","api_key":"55555555-5555-4555-8555-555555555556"})", "Invalid API key"}};
  for (const auto& refusal : refusals) {
    start(Api::mm);
    link.closed = 0;
    session->on_message(refusal.message, now);
    EXPECT_EQ(error(), refusal.text);
    EXPECT_EQ(link.closed, 1008);
  }
}

TEST_F(SimSession, MmAnswersInTheEditionItIsAskedIn) {
  start(Api::mm);
  session->on_message(
      R"({"type":"subscribe","api_key":")" + std::string(kMmKey) + R"(","channels":["orders"]})", now);
  EXPECT_EQ(link.last(), json::parse(R"({"type":"subscribed","subscription_id":1,"channels":["orders"]})"));
  start(Api::mm);
  session->on_message(R"({"type":"subscribe","apiKey":")" + std::string(kMmKey) + R"("})", now);
  EXPECT_EQ(link.last()["subscriptionId"], 2);
}

TEST_F(SimSession, MmBeatsEverySixtySecondsAndStopsAfterUnsubscribe) {
  start(Api::mm);
  session->on_message(R"({"type":"subscribe","api_key":")" + std::string(kMmKey) + R"("})", now);
  pass(60s);
  EXPECT_EQ(link.last(), json::parse(R"({"type":"heartbeat"})"));
  session->on_message(R"({"type":"unsubscribe"})", now);
  const auto count = link.texts.size();
  tell("scores");
  pass(120s);
  EXPECT_EQ(link.texts.size(), count);
  EXPECT_EQ(vendor.mm_keys.front().connections, 0u);
}

TEST_F(SimSession, LoginsAreShownWithTheirKeysMasked) {
  login();
  ASSERT_EQ(vendor.stats_of(Api::abp).last_logins.size(), 1u);
  EXPECT_EQ(vendor.stats_of(Api::abp).last_logins.front().find("demo-key"), std::string::npos);
}

TEST_F(SimSession, StandingFaultsRefuseOrIgnoreLoginsUntilTheyAreUsedUp) {
  auto& refuse = vendor.faults_of(Api::abp).refuse_logins;
  refuse = {true, TimePoint::max(), 1, "Connection limit exceeded", 4001};
  login();
  EXPECT_EQ(error(), "Connection limit exceeded");
  EXPECT_EQ(link.closed, 4001);
  vendor.faults_of(Api::abp).hang_login = {.on = true, .until = now + 1s, .message = {}};
  link.texts.clear();
  login();
  EXPECT_TRUE(link.texts.empty());
  now += 1s;
  login();
  EXPECT_EQ(link.last()["type"], "login_ok");
}

}  // namespace
}  // namespace bridge55::sim
