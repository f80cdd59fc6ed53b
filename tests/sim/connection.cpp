#include "tests/sim/connection.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace bridge55::sim {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::size_t kClientMessageLimit = 1U << 20;
constexpr auto kClosePatience = std::chrono::seconds(3);
constexpr auto kHttpIdle = std::chrono::seconds(75);

}  // namespace

Connection::Connection(std::uint64_t id, asio::ip::tcp::socket socket, asio::ssl::context* tls,
                       Vendor& vendor, const Service& service)
    : id_(id),
      stream_(std::move(socket), tls),
      vendor_(vendor),
      service_(service),
      api_(service.abp  ? Api::abp
           : service.mm ? Api::mm
                        : Api::scraping),
      accepted_(Clock::now()),
      wake_(stream_.socket().get_executor(), TimePoint::max()),
      stall_(stream_.socket().get_executor()),
      step_(stream_.socket().get_executor()),
      ended_(stream_.socket().get_executor()) {}

asio::awaitable<void> Connection::run() {
  const auto self = shared_from_this();
  if (!service_.control) {
    auto& hang = vendor_.faults_of(api_).hang_handshake;
    if (hang.strike(Clock::now())) stall_until(hang.until);
    co_await wait_stall();
  }
  const error_code error = co_await stream_.handshake();
  if (!error) co_await serve_http();
  session_.reset();
  if (stream_.is_open()) stream_.cut();
}

std::optional<Api> Connection::websocket_api(const std::string& path) const {
  if (service_.abp && path == "/ws") return Api::abp;
  if (service_.mm && path == "/ws/subscribe") return Api::mm;
  if (service_.scraping && path == "/ws") return Api::scraping;
  return std::nullopt;
}

asio::awaitable<void> Connection::serve_websocket(const HttpRequest& request) {
  const auto key = request.header("sec-websocket-key");
  if (request.method != "GET" || key.size() != 24 || request.header("sec-websocket-version") != "13") {
    const std::string bytes = to_bytes(json_response(400, R"({"detail": "Bad WebSocket handshake"})"), false);
    co_await stream_.write(bytes);
    co_return;
  }
  const std::string bytes = switching_protocols(key);
  const bool written = co_await stream_.write(bytes);
  if (!written) co_return;
  upgraded_ = true;
  api_ = *websocket_api(request.path);
  ++vendor_.stats_of(api_).accepted;
  if (api_ == Api::scraping) {
    co_await serve_relay(request);
    co_return;
  }
  session_.emplace(vendor_, *this, api_, accepted_);
  writer_done_ = false;
  const auto self = shared_from_this();
  asio::co_spawn(
      stream_.socket().get_executor(), [self]() { return self->write_loop(); }, asio::detached);
  co_await read_messages();
  session_.reset();  // frees the key's slot as soon as the client is gone
  reader_done_ = true;
  if (!closing_) stream_.cut();
  begin_closing();
  ended_.cancel();
  co_await wait_for(writer_done_, TimePoint::max());
}

asio::awaitable<void> Connection::serve_relay(const HttpRequest& request) {
  relay_.emplace(vendor_, stream_, id_, request);
  std::string early = std::exchange(buffer_, {});
  co_await relay_->run(std::move(early));
  relay_.reset();
}

asio::awaitable<void> Connection::read_messages() {
  ClientFrames frames(kClientMessageLimit);
  std::string chunk(kReadSize, '\0');
  frames.feed(buffer_);
  buffer_.clear();
  for (;;) {
    while (auto message = frames.next()) {
      handle(*message);
      if (close_received_) co_return;
    }
    if (frames.error() != 0) {
      close(frames.error(), "Protocol error");
      co_return;
    }
    co_await wait_stall();
    const std::size_t size = co_await stream_.read_some(asio::buffer(chunk));
    if (size == 0) co_return;
    co_await wait_stall();
    frames.feed(std::string_view(chunk.data(), size));
  }
}

void Connection::handle(const ClientMessage& message) {
  switch (message.opcode) {
    case Opcode::ping:
      append_frame(pending_, Opcode::pong, message.payload);
      return wake();
    case Opcode::pong:
      return;
    case Opcode::close: {
      close_received_ = true;
      if (closing_) return;
      const bool has_code = message.payload.size() >= 2;
      const auto high = has_code ? static_cast<unsigned char>(message.payload[0]) : 0;
      const auto low = has_code ? static_cast<unsigned char>(message.payload[1]) : 0;
      return close(static_cast<std::uint16_t>(high << 8 | low), {});
    }
    default:
      return session_->on_message(message.payload, Clock::now());
  }
}

void Connection::note(std::string_view kind, std::string_view head, std::string_view tail) {
  auto& stats = vendor_.stats_of(api_);
  ++stats.frames;
  stats.bytes += head.size() + tail.size();
  if (!vendor_.journal.on()) return;
  SentFrame frame{0, id_, api_, kind, {}};
  frame.text.reserve(head.size() + tail.size());
  frame.text.append(head).append(tail);
  vendor_.journal.record(std::move(frame));
}

void Connection::send(std::string_view kind, std::string_view head, std::string_view tail) {
  if (closing_) return;
  note(kind, head, tail);
  if (fragment_left_ > 0) {
    --fragment_left_;
    append_fragmented(pending_, Opcode::text, std::string(head).append(tail), 3);
  } else {
    append_header(pending_, Opcode::text, head.size() + tail.size());
    pending_.append(head).append(tail);
  }
  ++pending_messages_;
  wake();
}

void Connection::send_raw(Opcode opcode, std::string_view payload) {
  if (closing_) return;
  note("raw", payload, {});
  append_frame(pending_, opcode, payload);
  ++pending_messages_;
  wake();
}

void Connection::send_bytes(std::string_view bytes) {
  if (closing_) return;
  pending_.append(bytes);
  wake();
}

void Connection::close(std::uint16_t code, std::string_view reason) {
  if (closing_) return;
  append_close(pending_, code, reason);
  begin_closing();
}

void Connection::begin_closing() {
  closing_ = true;
  closing_since_ = std::min(closing_since_, Clock::now());
  wake();
}

void Connection::tick(TimePoint now) {
  if (stalled()) return;
  if (closing_ && now - kClosePatience >= closing_since_) return stream_.reset();
  if (now >= close_at_) close(close_at_code_, "server_upgrade");
  if (session_) return session_->tick(now);
  if (relay_) return relay_->tick(now);
  if (amqp_) return amqp_->tick(now);
  if (!upgraded_ && !service_.control && now - accepted_ >= kHttpIdle) stream_.cut();
}

void Connection::wake() {
  if (writer_waits_) wake_.cancel_one();
}

}  // namespace bridge55::sim
