// The beginning of a relay: from the 101 to `connected`.
#include "tests/sim/relay.hpp"

#include "tests/sim/frames.hpp"
#include "tests/sim/rest_scraping.hpp"

#include <cmath>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>

namespace bridge55::sim {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::size_t kConnectLimit = 1U << 20;
constexpr std::size_t kReadSize = 16384;
constexpr const char* kTooLate = "Connect message not received within 10 seconds";

std::string error_text(const std::string& message) {
  return nlohmann::ordered_json{{"type", "error"}, {"message", message}}.dump(
      -1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string websocket_key(std::uint64_t seed) {
  static constexpr char kLetters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  Random random(seed);
  std::string key(21, 'A');  // 16 bytes in base64: the last letter holds two bits
  for (char& c : key)
    c = kLetters[random.below(64)];
  return key + kLetters[16 * random.below(4)] + "==";
}

}  // namespace

Relay::Relay(Vendor& vendor, Stream& client, std::uint64_t connection, const HttpRequest& upgrade)
    : vendor_(vendor),
      record_(vendor.relay_log.relays.add(this, connection)),
      header_key_(upgrade.header("x-api-key")),
      up_(client_, target_, true, vendor.options.seed + 2 * record_.id),
      down_(target_, client_, false, 0),
      dial_(client.socket().get_executor()),
      changed_(client.socket().get_executor(), TimePoint::max()) {
  client_.stream = &client;
  client_.told = &record_.to_client;
  target_.told = &record_.to_target;
  record_.upgrade = masked_fields(upgrade.fields);
  record_.accepted_us = clock_us();
}

Relay::~Relay() {
  record_.ended_us = clock_us();
  count();
  vendor_.scraping.usage(api_key_).bytes += record_.up.bytes + record_.down.bytes;
  vendor_.relay_log.relays.end(record_);
}

void Relay::count() {
  record_.up = up_.transit.counts();
  record_.down = down_.transit.counts();
}

asio::awaitable<void> Relay::run(std::string early) {
  std::string text;
  std::string rest = std::move(early);
  const First first = co_await read_first(text, rest);
  if (first == First::message) {
    up_.buffer.assign(rest.begin(), rest.end());
    up_.filled = rest.size();
    spawn(forward_up());
    co_await connect(text);
    if (joined_) co_await forward_down();
  }
  while (jobs_ > 0)
    co_await changed();
  co_await end_transports();
}

asio::awaitable<void> Relay::changed() {
  error_code ignored;
  co_await changed_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

/// The first message of the client, and what it sent behind it.
asio::awaitable<Relay::First> Relay::read_first(std::string& text, std::string& rest) {
  ClientFrames frames(kConnectLimit);
  frames.feed(rest);
  std::string chunk(kReadSize, '\0');
  for (;;) {
    while (auto message = frames.next()) {
      const bool closing = closing_since_ != TimePoint::max();
      if (message->opcode == Opcode::close) {
        std::string said = masked_frame(8, message->payload, 0);
        FrameTransit reader(true, 0);
        reader.pass(said.data(), said.size());
        record_.from_client = reader.close();
        begin_closing("client");
        const std::uint16_t code = reader.error() != 0 ? reader.error() : reader.close().code;
        co_await close_side(client_, code);
        co_return First::closed;
      }
      if (closing) continue;
      if (message->opcode == Opcode::ping) {
        std::string pong;
        append_frame(pong, Opcode::pong, message->payload);
        co_await say(client_, std::move(pong));
      } else if (message->opcode != Opcode::pong) {
        // A binary message is no JSON text, and is refused as such.
        text = message->opcode == Opcode::text ? message->payload : std::string();
        rest = frames.rest();
        co_return First::message;
      }
    }
    if (frames.error() != 0) {
      begin_closing("protocol");
      co_await close_side(client_, frames.error(), "Protocol error");
      co_return First::closed;
    }
    const std::size_t size = co_await client_.stream->read_some(asio::buffer(chunk));
    if (size == 0) break;
    frames.feed(std::string_view(chunk.data(), size));
  }
  client_.lost = true;
  begin_closing("client_lost");
  co_return First::lost;
}

std::optional<std::pair<std::string, std::uint16_t>> Relay::judge(const std::string& text,
                                                                  RelayConnect& wanted) {
  using Refusal = std::pair<std::string, std::uint16_t>;
  const auto given = connect_key(text);
  if (!given) return Refusal{"Invalid connect message: JSON object expected", 1008};
  const std::string& key = given->empty() ? header_key_ : *given;
  const KeyEntry* entry = vendor_.find_key(Api::scraping, key);
  record_.key = masked(key);
  if (entry == nullptr || entry->key.state != Key::State::active)
    return Refusal{"Invalid or missing API key", 1008};
  api_key_ = key;
  if (auto wrong = read_connect(text, wanted); !wrong.empty()) return Refusal{std::move(wrong), 1008};
  // "consume 1 token from your rate limit bucket on connect (when the connect message is validated)"
  if (!take_token(vendor_, key)) return Refusal{"Rate limit exceeded", 1008};
  return std::nullopt;
}

void Relay::note_usage(const std::string& domain) {
  ScrapingUsage& usage = vendor_.scraping.usage(api_key_);
  ++usage.total;
  ++usage.by_protocol["ws"];
  ++usage.domains[domain];
}

asio::awaitable<void> Relay::connect(const std::string& text) {
  auto& faults = vendor_.faults_of(Api::scraping);
  record_.connect = masked_keys(vendor_, text);
  record_.state = "connecting";
  if (faults.relay_hang.strike(Clock::now())) co_return;
  RelayConnect wanted;
  auto refusal = judge(text, wanted);
  record_.url = wanted.url;
  if (!refusal && faults.relay_refuse.strike(Clock::now()))
    refusal.emplace(faults.relay_refuse.message, faults.relay_refuse.code);
  if (refusal) {
    co_await refuse(refusal->first, refusal->second, "refused");
    co_return;
  }
  note_usage(wanted.target.host);
  const auto agent = vendor_.scraping.pick(wanted.filter, wanted.target.host, Clock::now());
  if (!agent) {
    std::string message = "Agent unavailable";
    co_await refuse(std::move(message), 1011, "refused");
    co_return;
  }
  record_.agent = agent->id();
  const bool open = co_await dial(wanted);
  if (!open) co_return;
  ++vendor_.scraping.usage(api_key_).success;
  const std::string connected = R"({"type":"connected","status":101,"node_id":")" + agent->id() + "\"}";
  std::string frame;
  append_frame(frame, Opcode::text, connected);
  co_await say(client_, std::move(frame));
  record_.state = "open";
  record_.connected_us = clock_us();
  idle_timeout_ = milliseconds(std::llround(wanted.idle_timeout * 1000));
  last_message_ = Clock::now();
  while (!early_.empty() && target_.takes()) {
    const std::string piece = std::exchange(early_, {});
    const bool written = co_await target_.stream->write(piece);
    if (!written) target_.lost = true;
  }
  target_.whole = up_.transit.between_frames();
  joined_ = true;
  wake();
}

/// Reaches the target, and waits as the relay_slow fault says. False where the relay ends here.
asio::awaitable<bool> Relay::dial(const RelayConnect& wanted) {
  dialling_since_ = Clock::now();
  const Endpoint endpoint{wanted.target.tls, wanted.target.host, wanted.target.port};
  std::string wrong = co_await dial_.open(endpoint);
  if (wrong.empty()) {
    record_.sent = upgrade_fields(wanted, websocket_key(vendor_.options.seed + 2 * record_.id + 1));
    wrong = co_await dial_.upgrade(wanted.target.path, record_.sent);
  }
  if (vendor_.options.times.relay_target <= Clock::now() - dialling_since_) wrong = "timeout";
  dialling_since_ = TimePoint::max();
  record_.subprotocol = dial_.subprotocol();
  auto& slow = vendor_.faults_of(Api::scraping).relay_slow;
  if (slow.strike(Clock::now())) co_await wait_until(Clock::now() + slow.delay);
  if (closing_since_ != TimePoint::max()) {
    dial_.cancel();  // the client went while we dialled
    co_return false;
  }
  if (!wrong.empty()) {
    dial_.cancel();
    wrong.insert(0, "Target connection failed: ");
    co_await refuse(std::move(wrong), 1011, "target_failed");
    co_return false;
  }
  target_.stream = dial_.stream();
  down_.buffer.assign(dial_.rest().begin(), dial_.rest().end());
  down_.filled = dial_.rest().size();
  co_return true;
}

asio::awaitable<void> Relay::wait_until(TimePoint when) {
  asio::steady_timer timer(changed_.get_executor());
  while (Clock::now() < when && closing_since_ == TimePoint::max()) {
    error_code ignored;
    timer.expires_at(std::min(when, Clock::now() + milliseconds(10)));
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

asio::awaitable<void> Relay::refuse(std::string message, std::uint16_t code, const char* why) {
  record_.error = message;
  ++vendor_.stats_of(Api::scraping).refused;
  std::string frame;
  append_frame(frame, Opcode::text, error_text(message));
  co_await say(client_, std::move(frame));
  begin_closing(why);
  co_await close_side(client_, code);
}

void Relay::begin_closing(const char* why) {
  if (record_.ended_by.empty()) record_.ended_by = why;
  closing_since_ = std::min(closing_since_, Clock::now());
  wake();
}

void Relay::tick(TimePoint now) {
  constexpr auto kTargetPatience = std::chrono::seconds(3);
  constexpr auto kClientPatience = std::chrono::seconds(5);
  const auto& times = vendor_.options.times;
  if (closing_since_ != TimePoint::max()) {
    // What does not answer a close frame is not waited for: first the target, so that the client gets its
    // own.
    if (now - closing_since_ >= kTargetPatience && target_.stream != nullptr) target_.stream->reset();
    if (now - closing_since_ >= kClientPatience) client_.stream->reset();
    return;
  }
  if (record_.state == "accepted" && now - accepted_ >= times.relay_connect) {
    ++vendor_.stats_of(Api::scraping).login_timeouts;
    begin_closing("connect_timeout");
    spawn(close_side(client_, 1008, kTooLate));
  } else if (dialling_since_ != TimePoint::max() && now - dialling_since_ >= times.relay_target) {
    dial_.cancel();
  } else if (joined_ && idle_timeout_.count() > 0 && now - last_message_ >= idle_timeout_) {
    begin_closing("idle");
    spawn(close_side(client_, 1000, "idle timeout"));
    spawn(close_side(target_, 1000));
  }
}

}  // namespace bridge55::sim
