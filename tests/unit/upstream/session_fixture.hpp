// A session with a virtual clock, and the frames that tests feed it.
#pragma once

#include "bridges/upstream/session.hpp"
#include "tests/unit/upstream/support.hpp"

#include <gtest/gtest.h>

namespace bridge55::test {

using config::UpstreamKind;
using upstream::Cause;
using upstream::Now;

inline constexpr const char* kLoginOk =
    R"({"type":"login_ok","subscriptionId":7,"features":{"acknowledgments":false}})";
inline constexpr const char* kReliable =
    R"({"type":"login_ok","subscriptionId":7,"features":{"acknowledgments":true}})";

class SessionTest : public ::testing::Test {
 protected:
  explicit SessionTest(UpstreamKind kind = UpstreamKind::abp) : settings(upstream_of(kind, "abp")) {}

  void open() {
    protocol = upstream::make_protocol(settings);
    session = std::make_unique<upstream::Session>(upstream::Session::Parts{settings, 0, *protocol, did});
    session->opened(now);
  }
  void log_in(const char* answer = kLoginOk) {
    if (!session) open();
    text(answer);
    ASSERT_TRUE(session->is_up());
  }
  void message(ws::Kind kind, std::string_view data, bool utf8 = true) {
    const Padded padded(data);
    ws::Message m;
    m.kind = kind;
    m.data = padded.view();
    m.size = data.size();
    m.valid_utf8 = utf8;
    session->received(m, now);
  }
  void text(std::string_view data) { message(ws::Kind::text, data); }
  void close(std::uint16_t code, std::string_view reason = "") {
    ws::Message m;
    m.kind = ws::Kind::close;
    m.close_code = code;
    m.data = reason;
    session->received(m, now);
  }
  void data(const std::string& seq, const std::string& payload = "{}") {
    text(R"({"type":"data","channel":"orders","event":"UPDATE","payload":)" + payload + R"(,"ts":1,"seq":)" +
         seq + "}");
  }
  void pass(std::chrono::milliseconds time) {
    now.steady += time;
    now.wall += time.count() * 1000;
  }
  // Ticks at every time that the session asks for, until `time` has passed.
  void run_for(std::chrono::milliseconds time) {
    const SteadyTime until = now.steady + time;
    while (!session->end() && session->next_tick() <= until) {
      if (session->next_tick() > now.steady)
        pass(std::chrono::ceil<std::chrono::milliseconds>(session->next_tick() - now.steady));
      session->tick(now);
    }
    if (now.steady < until) pass(std::chrono::ceil<std::chrono::milliseconds>(until - now.steady));
  }
  Cause cause() const { return session->end() ? session->end()->cause : Cause::stopped; }

  config::Upstream settings;
  Recorder did;
  std::unique_ptr<upstream::Protocol> protocol;
  std::unique_ptr<upstream::Session> session;
  Now now{SteadyTime(1000s), 1'771'183'909'789'001};
};

}  // namespace bridge55::test
