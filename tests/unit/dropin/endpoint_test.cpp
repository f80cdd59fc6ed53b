// Tongues on real sockets: a feed's backpressure, journal and closes, in another protocol.
#include "bridges/abp/dropin.hpp"
#include "daemon/base/metrics.hpp"
#include "daemon/dropin/session.hpp"
#include "daemon/local/context.hpp"
#include "daemon/local/exchange.hpp"
#include "daemon/local/feed.hpp"
#include "daemon/local/handler.hpp"
#include "daemon/local/tongue.hpp"
#include "tests/unit/local/door.hpp"
#include "tests/unit/net/run.hpp"

#include <algorithm>

namespace bridge55::test {
namespace {

// What a relay's tongue is like: everything goes out as it came, everything heard is kept.
class Echo final : public local::Tongue {
 public:
  struct Heard {
    std::vector<std::string> text, binary;
    std::uint64_t too_much = 0;
    local::Voice* voice = nullptr;
    int ticks = 0;
  };
  explicit Echo(Heard& heard) : heard_(heard) {}
  void begin(local::Voice& voice, SteadyTime) override {
    heard_.voice = &voice;
    voice.listen();
    voice.say("hello");
  }
  void heard(std::string_view text, SteadyTime) override { heard_.text.emplace_back(text); }
  void heard_binary(std::string_view data, SteadyTime) override { heard_.binary.emplace_back(data); }
  void heard_too_much(std::uint64_t bytes, SteadyTime) override { heard_.too_much = bytes; }
  std::size_t max_heard() const override { return 1u << 20; }
  Take take(const events::Event& event, local::Frames frames) override {
    if (event.source() != "abp") return Take::skipped;
    if (event.channel() == "binary") {
      frames.binary(std::string(event.payload()));
    } else {
      frames.text(event.payload());
    }
    return Take::added;
  }
  void taken(events::EventId) override {}
  void tick(SteadyTime) override { ++heard_.ticks; }
  std::string_view endpoint() const override { return "/echo"; }

 private:
  Heard& heard_;
};

class Paths final : public local::Handler {
 public:
  std::optional<std::variant<unsigned, local::Refusal>> find(const local::Head&,
                                                             const local::Target& target) const override {
    if (target.path == "/abp/ws") return 0u;
    if (target.path == "/echo") return static_cast<unsigned>(config::Scope::events);
    return {};
  }
  net::awaitable<void> serve(local::Exchange& exchange) override {
    std::unique_ptr<local::Tongue> tongue;
    if (exchange.target.path == "/echo") {
      tongue = std::make_unique<Echo>(heard);
    } else {
      tongue = std::make_unique<dropin::Session>(line);
    }
    co_await local::serve_tongue(exchange, std::move(tongue));
  }
  Echo::Heard heard;
  std::shared_ptr<dropin::Line> line = std::make_shared<dropin::Line>("abp", abp::make_dropin(), [] {});
};

class DropInEndpoint : public LocalDoor {
 protected:
  DropInEndpoint() {
    providers.handlers = {&paths};
    settings.http.max_frame = config::Bytes{2u << 20};
    paths.line->granted({"\"demo\"", "{}", {"orders"}, true}, {});
    paths.line->come_up();
  }
  // Waits for so many frames; they come without the answer's head.
  std::vector<ServerFrame> frames(App& app, std::size_t count) {
    std::vector<ServerFrame> all;
    until([&] { return (all = frames_of(app.read())).size() >= count; }, "frames");
    return all;
  }
  App login(std::string_view more = "") {
    App app = web_socket("/abp/ws");
    app.send(client_text(R"({"type":"login","apiKey":"k")" + std::string(more) + "}"));
    EXPECT_NE(frames(app, 1)[0].data.find("login_ok"), std::string::npos);
    return app;
  }
  static std::uint64_t seq_of(const ServerFrame& frame) {
    const std::size_t at = frame.data.rfind(R"("seq":)");
    return at == std::string::npos ? 0 : std::stoull(frame.data.substr(at + 6));
  }
  Paths paths;
};

TEST_F(DropInEndpoint, WhatIsNoUpgradeGets426WithUpgrade) {
  start();
  for (const char* line : {"GET /abp/ws", "GET /echo"}) {
    const std::string answer = request(line);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 426 ")) << answer;
    EXPECT_NE(answer.find("Upgrade: websocket\r\n"), std::string::npos) << answer;
  }
  EXPECT_TRUE(request("HEAD /abp/ws").starts_with("HTTP/1.1 426 "));
}

TEST_F(DropInEndpoint, ATongueSaysAndHearsTextAndBinary) {
  start();
  App app = web_socket("/echo");
  EXPECT_EQ(frames(app, 1)[0].data, "hello");
  publish("text", R"({"a": 1})");
  publish("binary", R"("bytes")");
  publish("orders", "7", "other");
  const std::string long_payload = '"' + std::string(70'000, 'x') + '"';
  publish("binary", long_payload);
  const auto all = frames(app, 4);
  EXPECT_EQ(all[1].opcode, 1u);
  EXPECT_EQ(all[1].data, R"({"a": 1})");
  EXPECT_EQ(all[2].opcode, 2u);
  EXPECT_EQ(all[2].data, R"("bytes")");
  EXPECT_EQ(all[3].opcode, 2u);
  EXPECT_EQ(all[3].data, long_payload);
  app.send(client_text("one"));
  app.send(client_frame(2, std::string("\0\1", 2)));
  app.send(client_text(std::string(900'000, 'y')));
  until([&] { return paths.heard.text.size() == 2; }, "the text");
  EXPECT_EQ(paths.heard.binary, (std::vector<std::string>{std::string("\0\1", 2)}));
  app.send(client_text(std::string(1'500'000, 'y')));
  until([&] { return paths.heard.too_much == 1'500'000; }, "the long one");
  app.send(client_text("\xff"));
  EXPECT_EQ(frames(app, 5)[4].close_code(), 1007u);
}

TEST_F(DropInEndpoint, AFrameOverTheLimitIsClosedWith1009) {
  start();
  App app = web_socket("/abp/ws");
  app.send(client_text(std::string((2u << 20) + 1, 'y')));
  EXPECT_EQ(frames(app, 1)[0].close_code(), 1009u);
}

TEST_F(DropInEndpoint, AnAppThatDoesNotReadGetsEverythingInOrderLater) {
  start();
  App app = login();
  App quick = login();
  const std::string pad(3000, 'x');
  constexpr std::size_t kEvents = 8000;
  for (std::size_t i = 0; i < kEvents; ++i) {
    publish("orders", "{\"n\":" + std::to_string(i) + ",\"pad\":\"" + pad + "\"}");
    if (i % 64 == 0) {
      turn();
      quick.read();
    }
  }
  std::vector<ServerFrame> fast, slow;
  until([&] { return count(quick.read(), "\"pad\"") == kEvents; }, "the quick one");
  until([&] { return count(app.read(), "\"pad\"") == kEvents; }, "the slow one");
  slow = frames_of(app.received);
  fast = frames_of(quick.received);
  ASSERT_EQ(slow.size(), kEvents + 1);
  for (std::size_t i = 1; i <= kEvents; ++i) {
    ASSERT_EQ(seq_of(slow[i]), i);
    ASSERT_TRUE(
        slow[i].data.starts_with(R"({"type":"data","channel":"orders","event":"UPDATE","payload":{"n":)" +
                                 std::to_string(i - 1) + ","));
    ASSERT_EQ(slow[i].data, fast[i].data);
  }
}

TEST_F(DropInEndpoint, TheWindowHoldsTheStreamAndAnAckLetsItGoOn) {
  start();
  App app = login(R"(,"reliableDelivery":true,"consumer":"risk")");
  const std::string pad(20'000, 'x');
  constexpr std::size_t kEvents = 1000;  // beyond the tail: the journal serves the rest
  for (std::size_t i = 0; i < kEvents; ++i)
    publish("orders", "{\"pad\":\"" + pad + "\"}");
  std::size_t got = 0;
  while (got < kEvents) {
    const std::size_t next = std::min(got + 100, kEvents);
    until([&] { return count(app.read(), "\"pad\"") >= next; }, "the next hundred");
    for (int i = 0; i < 20; ++i)
      turn();
    EXPECT_EQ(count(app.read(), "\"pad\""), next);
    got = next;
    app.send(client_text(R"({"type":"ack","seq":)" + std::to_string(got) + "}"));
  }
  const auto all = frames_of(app.received);
  for (std::size_t i = 1; i <= kEvents; ++i)
    ASSERT_EQ(seq_of(all[i]), i);
  until([&] { return server->consumers().front().cursor == hub->last_id(); }, "the cursor");
}

// All sessions of an upstream use one list of what they have offered in a round.
TEST_F(DropInEndpoint, AnAppThatDiesInTheMiddleOfAWriteIsNobodyElsesConcern) {
  config::Listen listen;
  listen.unix_path = path("door.sock");
  settings.listen.push_back(listen);
  start();
  App dying = unix_socket(path("door.sock"));  // a write to it fails as soon as it is closed
  dying.send(
      "GET /abp/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  dying.send(client_text(R"({"type":"login","apiKey":"k","reliableDelivery":true})"));
  frames(dying, 1);
  for (int i = 0; i < 50; ++i)
    publish("orders", "{}");
  App app = login(R"(,"reliableDelivery":true)");
  dying.close();
  events::Facts facts;
  facts.source = "abp", facts.channel = "orders", facts.name = "UPDATE", facts.payload = "{}";
  for (int i = 0; i < 60; ++i)
    hub->publish(facts);
  hub->flush();
  ASSERT_EQ(seq_of(frames(app, 61)[60]), 60u);
  app.send(client_text(R"({"type":"ack","seq":60})"));
  for (int i = 0; i < 100; ++i)
    publish("orders", "{}");
  EXPECT_EQ(seq_of(frames(app, 161)[160]), 160u);
}

TEST(DropInFeed, BehindAClosePingsAreNoMore) {
  class Closing final : public local::Tongue {
   public:
    void begin(local::Voice& voice, SteadyTime) override { voice_ = &voice; }
    void heard(std::string_view, SteadyTime) override {}
    void heard_binary(std::string_view, SteadyTime) override {}
    void heard_too_much(std::uint64_t, SteadyTime) override {}
    Take take(const events::Event&, local::Frames) override { return Take::skipped; }
    void taken(events::EventId) override {}
    void tick(SteadyTime) override { voice_->close(1008, "time is over"); }
    std::string_view endpoint() const override { return "/closing"; }

   private:
    local::Voice* voice_ = nullptr;
  };
  boost::asio::io_context io;
  metrics::Registry metrics;
  tests::FakeJournal journal;
  events::Hub hub(journal, metrics, events::Recovered{}, 1u << 20);
  const auto context = std::make_shared<local::Context>(io, hub, metrics, local::Consumers::Effects{});
  Pair pair = make_pair(io);
  local::Feed::Setup setup{std::move(pair.a), local::FeedKind::websocket, {}, {}, "\r\n\r\n", {}, nullptr};
  setup.tongue = std::make_unique<Closing>();
  const auto feed = std::make_shared<local::Feed>(context, std::move(setup));
  feed->start();
  io.poll();
  feed->tick(SteadyClock::now() + std::chrono::minutes(1));
  io.poll();
  char bytes[256];
  const net::Transfer got = pair.b.try_read(bytes);
  const auto all = frames_of({bytes, got.bytes});
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].close_code(), 1008u);
  pair.b.close();
  io.restart();
  io.poll();
}

TEST_F(DropInEndpoint, StatusNamesThePathAndADrainSays1001) {
  start();
  App app = login();
  ASSERT_EQ(server->consumers().size(), 1u);
  EXPECT_EQ(server->consumers().front().endpoint, "websocket:/abp/ws");
  bool drained = false;
  server->drain(std::chrono::seconds(5), [&] { drained = true; });
  EXPECT_EQ(frames(app, 2)[1].close_code(), 1001u);
  app.close();
  until([&] { return drained; }, "the drain");
}

TEST_F(DropInEndpoint, TheKeyOfTheLoginIsTheAppsTokenAndAReloadCanTakeItAway) {
  config::Client risk;
  risk.name = "risk";
  risk.token = config::Secret("risk-token");
  risk.allow = static_cast<unsigned>(config::Scope::events);
  settings.clients = {risk};
  start();
  App stranger = web_socket("/abp/ws");
  stranger.send(client_text(R"({"type":"login","apiKey":"other"})"));
  const auto refused = frames(stranger, 2);
  EXPECT_EQ(refused[0].data, R"({"type":"error","message":"Invalid API key"})");
  EXPECT_EQ(refused[1].close_code(), 1008u);
  App app = web_socket("/abp/ws"), waiting = web_socket("/abp/ws");
  app.send(client_text(R"({"type":"login","apiKey":"risk-token"})"));
  frames(app, 1);
  EXPECT_EQ(server->consumers().size(), 3u);
  local::Settings changed = settings;
  changed.clients->front().allow = static_cast<unsigned>(config::Scope::read);
  server->apply(changed);
  EXPECT_EQ(frames(app, 2)[1].close_code(), 1008u);
  turn();
  EXPECT_TRUE(frames_of(waiting.read()).empty());
}

}  // namespace
}  // namespace bridge55::test
