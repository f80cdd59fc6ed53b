// A drop-in session without a socket: what it says and asks for is kept, events are offered as a feed does.
#pragma once

#include "bridges/abp/dropin.hpp"
#include "bridges/mm/dropin.hpp"
#include "daemon/dropin/session.hpp"
#include "daemon/local/feeds.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace bridge55::test {

using namespace std::chrono_literals;

class FakeVoice final : public local::Voice {
 public:
  void say(std::string_view text) override { said.emplace_back(text); }
  void close(std::uint16_t with, std::string_view why) override {
    if (code != 0) return;
    code = with;
    reason = why;
  }
  std::variant<local::App, local::Refusal> sign_in(std::string_view key, unsigned any_of) override {
    keys.emplace_back(key);
    if (!token.empty() && key != token) return local::Refusal{forbids ? 403u : 401u, "", "", {}, {}};
    return local::App{"app", any_of, true};
  }
  void listen() override { listening = true; }
  bool listen_as(const std::string& name) override {
    consumer = name;
    return listening = !refuses_names;
  }
  void stop_listening() override { listening = false; }
  void acknowledge(events::EventId id) override { acknowledged.push_back(id); }
  void go_on() override { ++went_on; }
  bool flows() const override { return flowing; }

  std::string last() const { return said.empty() ? std::string() : said.back(); }

  std::vector<std::string> said, keys;
  std::vector<events::EventId> acknowledged;
  std::string reason, consumer, token;  // token: the only key that is known; empty: any
  std::uint16_t code = 0;
  int went_on = 0;
  bool listening = false, refuses_names = false, forbids = false, flowing = true;
};

inline events::EventPtr event_of(events::EventId id, const events::Facts& facts) {
  return events::Event::make({id, 1771183909789001, {}}, facts);
}

inline events::EventPtr order(events::EventId id, std::string_view payload = "{}",
                              std::string_view channel = "orders") {
  events::Facts facts;
  facts.source = "abp";
  facts.channel = channel;
  facts.name = "UPDATE";
  facts.ts = "1771183909789";
  facts.payload = payload;
  return event_of(id, facts);
}

inline events::EventPtr gap(events::EventId id, std::string_view payload,
                            std::string_view name = "DETECTED") {
  events::Facts facts;
  facts.source = "bridge";
  facts.channel = "gap";
  facts.name = name;
  facts.payload = payload;
  facts.about = "abp";
  return event_of(id, facts);
}

class DropInStage : public ::testing::Test {
 protected:
  explicit DropInStage(bool mm = false)
      : line(std::make_shared<dropin::Line>(mm ? "mm" : "abp", mm ? mm::make_dropin() : abp::make_dropin(),
                                            [this] { growths.push_back(line->next_channels()); })) {
    settings.kind = mm ? config::UpstreamKind::mm : config::UpstreamKind::abp;
    settings.name = line->source();
    line->configured(settings);
  }

  void upstream_up(std::vector<std::string> channels = {"orders", "bets", "emergency"}) {
    line->granted(dropin::Granted{R"("demo")", R"({"global":[]})", std::move(channels), true}, now);
    line->come_up();
    line->admit(now);
  }
  dropin::Session& begin() {
    session = std::make_unique<dropin::Session>(line);
    session->begin(voice, now);
    return *session;
  }
  void hear(std::string_view text) { session->heard(text, now); }
  void login(std::string_view more = "") {
    hear(R"({"type":"login","apiKey":"k","channels":[])" + std::string(more) + "}");
  }
  // A round of a feed that writes all it gathered: the frames.
  std::vector<std::string> offer(const std::vector<events::EventPtr>& events, std::size_t writes = SIZE_MAX) {
    auto batch = std::make_unique<local::Batch>();
    std::vector<std::string> frames;
    events::EventId through = 0;
    std::size_t passed = 0;
    std::uint32_t index = 0;
    for (const events::EventPtr& event : events) {
      if (session->holds()) break;
      const auto take = session->take(*event, local::Frames(*batch, index++));
      if (take == local::Tongue::Take::held) break;
      if (passed++ < writes) through = event->id();
    }
    for (std::size_t piece = 0; piece < batch->count;) {
      std::string frame;
      const std::uint32_t of = batch->event_of[piece];
      for (; piece < batch->count && batch->event_of[piece] == of; ++piece)
        frame.append(static_cast<const char*>(batch->pieces[piece].iov_base), batch->pieces[piece].iov_len);
      const std::size_t header = static_cast<unsigned char>(frame[1]) < 126 ? 2 : frame[1] == 126 ? 4 : 10;
      if (of < writes) frames.push_back(frame.substr(header));
    }
    session->taken(through);
    return frames;
  }
  void after(SteadyClock::duration time) {
    now += time;
    session->tick(now);
  }

  SteadyTime now{100h};
  config::Upstream settings;
  std::vector<std::vector<std::string>> growths;
  std::shared_ptr<dropin::Line> line;
  FakeVoice voice;
  std::unique_ptr<dropin::Session> session;
};

}  // namespace bridge55::test
