#include "bridges/upstream/run.hpp"

#include "bridges/upstream/protocols.hpp"
#include "bridges/upstream/reports.hpp"
#include "daemon/base/crash_point.hpp"
#include "daemon/base/log.hpp"
#include "daemon/net/endpoint.hpp"
#include "daemon/net/ws_handshake.hpp"

#include <cstdlib>
#include <random>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace bridge55::upstream {
namespace {

constexpr std::size_t kMaxMessage = 16u << 20;

Now now() {
  return {SteadyClock::now(), wall_now()};
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody changes the environment
  return value == nullptr ? "" : value;
}

}  // namespace

WsSession::Run::Run(const Parts& parts, config::Upstream settings)
    : io_(parts.io),
      host_(parts.host),
      metrics_(parts.metrics),
      settings_(std::move(settings)),
      protocol_(make_protocol(settings_)),
      session_({settings_, parts.slot, *protocol_, *this}),
      lifecycle_({settings_, parts.slot, *this, parts.opening_gap, std::random_device{}()}),
      reader_(ws::Role::client, kMaxMessage),
      timer_(parts.io) {
  const metrics::Labels labels = {{"source", settings_.name}};
  up_ = &metrics_.gauge("bridge55_session_up", "Whether the upstream session is logged in.", labels);
  last_message_ = &metrics_.gauge(
      "bridge55_session_last_message_timestamp_seconds",
      "When the upstream session last received a message, in seconds since the epoch.", labels);
  const auto counter = [&](Counter which, const char* name, const char* help, metrics::Labels with) {
    counters_[static_cast<std::size_t>(which)] = &metrics_.counter(name, help, with);
  };
  counter(Counter::duplicate, "bridge55_session_duplicates_total", "Upstream messages dropped as duplicates.",
          labels);
  counter(Counter::ignored, "bridge55_session_ignored_total",
          "Upstream messages of a type that is not known.", labels);
  counter(Counter::quarantined, "bridge55_session_quarantined_total",
          "Upstream frames that could not be understood.", labels);
  constexpr const char* kGaps = "Gaps in what upstream told, by what became of them.";
  counter(Counter::gap_detected, "bridge55_gaps_total", kGaps,
          {{"source", settings_.name}, {"result", "detected"}});
  counter(Counter::gap_unrecovered, "bridge55_gaps_total", kGaps,
          {{"source", settings_.name}, {"result", "unrecovered"}});
}

// ---- connecting: each step has a deadline of its own

awaitable<bool> WsSession::Run::open(End& end) {
  const auto endpoint = net::parse_endpoint(settings_.ws_url);
  if (!endpoint) {
    end = {Cause::connect, "ws_url is not a WebSocket URL", 0, {}};
    co_return false;
  }
  drop_stream();
  stream_ = std::make_unique<net::Stream>(io_);
  reader_ = ws::FrameReader(ws::Role::client, kMaxMessage);
  outgoing_.clear();
  corked_ = writing_ = false;
  violated_ = 0;
  const bool connected = co_await connect(*endpoint, end);
  if (!connected || stopping_) co_return false;
  const bool upgraded = co_await upgrade(*endpoint, end);
  co_return upgraded && !stopping_;
}

awaitable<bool> WsSession::Run::connect(const net::Endpoint& endpoint, End& end) {
  const net::ProxyChoice choice = net::choose_proxy(endpoint, settings_.proxy.reveal(), environment);
  if (!choice.trouble.empty()) {
    end = {Cause::connect, choice.trouble, 0, {}};
    co_return false;
  }
  const std::string host = choice.proxy ? choice.proxy->host : endpoint.host;
  const std::uint16_t port = choice.proxy ? choice.proxy->port : endpoint.port;
  error_code error = co_await stream_->connect(host, port, SteadyClock::now() + settings_.timeouts.connect);
  if (!error && choice.proxy) {
    const std::string credentials = choice.proxy->basic_credentials;
    error = co_await stream_->proxy_connect(endpoint.host, endpoint.port, credentials,
                                            SteadyClock::now() + settings_.timeouts.connect);
  }
  if (error) {
    end = failure(Cause::connect, "cannot connect", error);
    co_return false;
  }
  if (!endpoint.tls) co_return true;
  try {
    if (!tls_) tls_ = net::TlsContext::client(settings_.tls);
  } catch (const std::exception& fault) {
    end = {Cause::tls, fault.what(), 0, {}};
    co_return false;
  }
  error = co_await stream_->tls_client(tls_, endpoint.host, true,
                                       SteadyClock::now() + settings_.timeouts.connect);
  if (!error) co_return true;
  if (error == net::Error::verify) tls_.reset();  // a ca_file that is replaced is read again
  end = failure(Cause::tls, "TLS handshake failed", error);
  co_return false;
}

awaitable<bool> WsSession::Run::upgrade(const net::Endpoint& endpoint, End& end) {
  net::Upgrade request{endpoint.host_header, endpoint.target, {{"User-Agent", "bridge55"}}};
  // The vendor's sockets take the key in the login (vendor docs: "No authentication is needed at connection
  // time").
  if (settings_.kind == config::UpstreamKind::websocket && settings_.auth_header_given &&
      !settings_.api_key.empty()) {
    request.headers.emplace_back(settings_.auth_header, settings_.api_key.reveal());
  }
  const SteadyTime until = SteadyClock::now() + settings_.timeouts.connect;
  const net::UpgradeAnswer answer = co_await net::upgrade(*stream_, std::move(request), reader_, until);
  if (answer.upgraded()) co_return true;
  if (answer.error) {
    end = failure(Cause::upgrade, "upgrade failed", answer.error);
  } else if (answer.status >= 200) {
    end = end_of_upgrade(answer.status, answer.retry_after, answer.body);
  } else {
    end = {Cause::upgrade, answer.trouble, 0, {}};
  }
  co_return false;
}

End WsSession::Run::failure(Cause cause, std::string_view what, const error_code& error) const {
  std::string reason(what);
  const std::string& trouble = stream_->trouble();
  reason.append(": ").append(trouble.empty() || error == asio::error::timed_out ? error.message() : trouble);
  if (error == asio::error::timed_out && !trouble.empty()) reason.append(" (").append(trouble).append(")");
  return {cause, std::move(reason), 0, {}};
}

// ---- what the daemon asks for

void WsSession::Run::durable(events::EventId id) {
  if (abandoned_) return;
  if (!session_.is_up()) return session_.durable(id, now());  // nothing may be written before the login
  corked_ = true;
  const std::size_t before = outgoing_.size();
  session_.durable(id, now());
  const bool acknowledges = outgoing_.size() > before;
  if (acknowledges) crash_point("upstream.ack.before");
  flush();
  if (acknowledges) crash_point("upstream.ack.after");
}

void WsSession::Run::settled(events::EventId provisional, events::EventId id) {
  if (!abandoned_) session_.settled(provisional, id, now());
}

// The same timer holds the delay before a retry, which must not be cut short.
void WsSession::Run::resume() {
  if (pausing_) timer_.cancel();
}

bridges::SessionStatus WsSession::Run::status() const {
  bridges::SessionStatus status = lifecycle_.status();
  status.seq = session_.seq();
  status.last_event_at = session_.last_event_at();
  return status;
}

void WsSession::Run::stop(std::function<void()> stopped) {
  stopped_ = std::move(stopped);
  wake();
  if (!started_) asio::post(io_, std::move(stopped_));
}

void WsSession::Run::abandon() {
  abandoned_ = true;
  wake();
}

void WsSession::Run::wake() {
  stopping_ = true;
  timer_.cancel();
  if (stream_) stream_->cancel();
}

void WsSession::Run::drop_stream() {
  ++connection_;  // its writer, if there is one, must not touch the next
  stream_.reset();
}

// ---- what the deciding parts ask for

void WsSession::Run::send(std::string_view text) {
  outgoing_ += ws::frame(ws::Role::client, ws::Kind::text, text);
  if (!corked_) flush();
}

void WsSession::Run::send_control(ws::Kind kind, std::string_view data) {
  outgoing_ += ws::frame(ws::Role::client, kind, data);
  if (!corked_) flush();
}

events::EventId WsSession::Run::publish(const events::Facts& facts, bool may_repeat) {
  return abandoned_ ? 0 : host_.publish(facts, may_repeat);
}

void WsSession::Run::say(std::string_view channel, std::string_view event, std::string_view payload) {
  if (!abandoned_) host_.say(channel, event, payload, settings_.name);
}

void WsSession::Run::log(bool warning, std::string_view message, std::string_view about) {
  const auto write = warning ? &log::warning : &log::info;
  if (about.empty()) return write(message, {{"source", settings_.name}});
  write(message, {{"source", settings_.name}, {"about", about}});
}

void WsSession::Run::count(Counter counter) {
  if (!abandoned_) counters_[static_cast<std::size_t>(counter)]->add();
}

void WsSession::Run::count_reconnect(Cause cause) {
  if (abandoned_) return;
  metrics_
      .counter("bridge55_session_reconnects_total", "Attempts to connect again, by what made them necessary.",
               {{"source", settings_.name}, {"reason", std::string(name_of(cause))}})
      .add();
}

void WsSession::Run::answered(std::string_view login_answer) {
  if (!abandoned_) host_.login_answered(login_answer);
}

void WsSession::Run::logged_in(std::string_view subscription, std::string_view channels) {
  if (!abandoned_) up_->set(1);
  counted_up_ = true;
  lifecycle_.came_up(now(), subscription, channels);
}

}  // namespace bridge55::upstream
