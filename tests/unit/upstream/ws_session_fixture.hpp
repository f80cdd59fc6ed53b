// A real session over loopback against a scripted peer, with a host that records.
#pragma once

#include "bridges/upstream/make_source.hpp"
#include "tests/unit/net/run.hpp"
#include "tests/unit/upstream/scripted_vendor.hpp"
#include "tests/unit/upstream/support.hpp"

#include <functional>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

namespace bridge55::test {

using bridges::SessionState;
using config::UpstreamKind;
using net::awaitable;

inline constexpr const char* kLoginOk =
    R"({"type":"login_ok","subscriptionId":1,"features":{"acknowledgments":true}})";

class Host final : public bridges::SourceHost {
 public:
  events::EventId publish(const events::Facts& facts, bool) override {
    payloads.emplace_back(facts.payload);
    return payloads.size();
  }
  void say(std::string_view channel, std::string_view event, std::string_view payload,
           std::string_view source) override {
    said.push_back({std::string(channel), std::string(event), std::string(payload)});
    sources.emplace_back(source);
  }
  void flush() override { ++flushes; }
  bool must_pause() const override { return full; }

  std::vector<std::string> payloads, sources;
  std::vector<Said> said;
  int flushes = 0;
  bool full = false;
};

class WsSessionTest : public ::testing::Test {
 protected:
  void start(UpstreamKind kind = UpstreamKind::abp,
             const std::function<void(config::Upstream&)>& change = {}) {
    auto settings = upstream_of(kind, "abp");
    settings.ws_url = vendor.url();
    settings.reliable_delivery = true;
    settings.retry.backoff = 1ms;
    settings.retry.max_backoff = 2ms;
    if (change) change(settings);
    source = bridges::make_source(io, settings, host, metrics);
    source->start();
  }
  // Ends the session, whatever the script left it in.
  awaitable<void> stop() {
    bool stopped = false;
    source->stop([&stopped] { stopped = true; });
    if (const auto peer = last_peer.lock())
      peer->stream().close();  // or the session waits for the answer to its close
    while (!stopped)
      co_await turn();
  }
  awaitable<void> turn() { co_await boost::asio::post(io, boost::asio::use_awaitable); }
  awaitable<void> until(std::function<bool()> condition) {
    const SteadyTime limit = soon();
    while (!condition() && SteadyClock::now() < limit)
      co_await turn();
    EXPECT_TRUE(condition());
  }
  // A peer that is logged in.
  awaitable<std::shared_ptr<Peer>> accept() {
    std::shared_ptr<Peer> peer = co_await vendor.accept();
    last_peer = peer;
    co_return peer;
  }
  awaitable<std::shared_ptr<Peer>> logged_in() {
    auto peer = co_await accept();
    co_await peer->upgrade();
    login = co_await peer->next();
    co_await peer->send(kLoginOk);
    co_await until([this] { return source->status().state == SessionState::up; });
    co_return peer;
  }
  static std::string data(int seq) {
    return R"({"type":"data","channel":"orders","event":"UPDATE","payload":)" + std::to_string(seq) +
           R"(,"ts":1,"seq":)" + std::to_string(seq) + "}";
  }

  boost::asio::io_context io;
  metrics::Registry metrics;
  Host host;
  ScriptedVendor vendor{io};
  std::unique_ptr<bridges::Source> source;
  std::weak_ptr<Peer> last_peer;
  std::string login;
};

}  // namespace bridge55::test
