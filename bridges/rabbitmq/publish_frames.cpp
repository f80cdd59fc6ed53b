#include "bridges/rabbitmq/publish_frames.hpp"

#include "daemon/events/json.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace bridge55::rabbitmq {
namespace {

constexpr std::uint8_t kMethod = 1, kContentHeader = 2, kContentBody = 3, kHeartbeat = 8;
constexpr char kFrameEnd = '\xCE';
constexpr std::size_t kFrameOverhead = 8;
constexpr std::size_t kShortMax = 255;
constexpr WallMicros kSecond = 1'000'000;

// Content properties of class basic, in the order of their flags (AMQP 0-9-1, 1.8 and 2.3.5.2).
constexpr std::uint16_t kContentType = 1 << 15, kHeaders = 1 << 13, kDeliveryMode = 1 << 12,
                        kMessageId = 1 << 7, kTimestamp = 1 << 6, kType = 1 << 5, kAppId = 1 << 3;
constexpr std::uint16_t kFlags =
    kContentType | kHeaders | kDeliveryMode | kMessageId | kTimestamp | kType | kAppId;
constexpr char kPersistent = 2;
constexpr char kMandatory = 1;

template <class T>
void store(char* to, T value) {
  for (std::size_t i = sizeof(T); i-- > 0; value = static_cast<T>(value >> 8))
    to[i] = static_cast<char>(value & 0xFF);
}

template <class T>
void put(std::vector<char>& out, T value) {
  char bytes[sizeof(T)];
  store(bytes, value);
  out.insert(out.end(), bytes, bytes + sizeof(T));
}

void put_bytes(std::vector<char>& out, std::string_view text) {
  out.insert(out.end(), text.begin(), text.end());
}

// At most 255 bytes, never inside a UTF-8 sequence.
std::string_view cut(std::string_view text) {
  if (text.size() <= kShortMax) return text;
  std::size_t size = kShortMax;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80)
    --size;
  return text.substr(0, size);
}

void put_short(std::vector<char>& out, std::string_view text) {
  text = cut(text);
  out.push_back(static_cast<char>(text.size()));
  put_bytes(out, text);
}

void put_header(std::vector<char>& out, std::string_view name, std::string_view value) {
  put_short(out, name);
  out.push_back('S');
  put<std::uint32_t>(out, static_cast<std::uint32_t>(value.size()));
  put_bytes(out, value);
}

// A counter that fits 64 bits travels as a number, anything else as the text it was.
void put_seq(std::vector<char>& out, std::string_view token) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), number);
  if (error != std::errc{} || end != token.data() + token.size()) {
    put_header(out, "x-upstream-seq", json::text(token));
    return;
  }
  put_short(out, "x-upstream-seq");
  out.push_back('l');
  put<std::uint64_t>(out, static_cast<std::uint64_t>(number));
}

void put_message_id(std::vector<char>& out, const events::MessageId& id) {
  static constexpr char digits[] = "0123456789abcdef";
  char text[1 + 2 * sizeof(events::MessageId)];
  text[0] = sizeof text - 1;
  for (std::size_t i = 0; i < id.size(); ++i) {
    text[1 + 2 * i] = digits[id[i] >> 4];
    text[2 + 2 * i] = digits[id[i] & 15];
  }
  out.insert(out.end(), text, text + sizeof text);
}

void put_type(std::vector<char>& out, const events::Event& event) {
  const std::size_t at = out.size();
  out.push_back(0);
  put_bytes(out, event.channel());
  out.push_back('.');
  put_bytes(out, event.name());
  const std::string_view fit = cut({out.data() + at + 1, out.size() - at - 1});
  out[at] = static_cast<char>(fit.size());
  out.resize(at + 1 + fit.size());
}

std::string_view body_of(const bridges::Delivery& delivery) {
  switch (delivery.body) {
    case config::BodyMode::payload:
      return delivery.event->payload();
    case config::BodyMode::raw:
      return delivery.event->raw().empty() ? delivery.event->payload() : delivery.event->raw();
    case config::BodyMode::envelope:
      break;
  }
  return delivery.event->envelope();
}

}  // namespace

PublishBatch::PublishBatch(std::size_t frame_max) : body_max_(frame_max - kFrameOverhead) {}

std::size_t PublishBatch::begin_frame(std::uint8_t type, std::uint16_t channel) {
  const std::size_t begin = heads_.size();
  heads_.push_back(static_cast<char>(type));
  put(heads_, channel);
  put<std::uint32_t>(heads_, 0);
  return begin;
}

void PublishBatch::end_frame(std::size_t begin) {
  store(heads_.data() + begin + 3, static_cast<std::uint32_t>(heads_.size() - begin - 7));
  heads_.push_back(kFrameEnd);
}

void PublishBatch::end_heads() {
  if (heads_from_ == heads_.size()) return;
  pieces_.push_back({nullptr, heads_from_, heads_.size() - heads_from_});
  pending_ += heads_.size() - heads_from_;
  heads_from_ = heads_.size();
}

void PublishBatch::add(const bridges::Delivery& delivery, std::string_view exchange) {
  const std::size_t method = begin_frame(kMethod, kChannel);
  put<std::uint32_t>(heads_, 60 << 16 | 40);  // basic.publish
  put<std::uint16_t>(heads_, 0);
  put_short(heads_, delivery.exchange.empty() ? exchange : std::string_view(delivery.exchange));
  put_short(heads_, delivery.routing_key);
  heads_.push_back(kMandatory);
  end_frame(method);

  const std::string_view bytes = body_of(delivery);
  const std::size_t header = begin_frame(kContentHeader, kChannel);
  put<std::uint32_t>(heads_, 60 << 16);
  put<std::uint64_t>(heads_, bytes.size());
  properties(delivery);
  end_frame(header);
  body(bytes);
}

namespace {

// The raw body of a relay is whatever the far side sent.
std::string content_type_of(const bridges::Delivery& delivery) {
  const events::Facts& facts = delivery.event->facts();
  if (delivery.body != config::BodyMode::raw || facts.relay.empty()) return "application/json";
  const std::string_view told = json::find(facts.relay, "content_type");
  if (json::is_string(told)) return json::text(told);
  if (facts.base64) return "application/octet-stream";
  return facts.payload == facts.raw ? "application/json" : "text/plain";
}

}  // namespace

void PublishBatch::properties(const bridges::Delivery& delivery) {
  const events::Event& event = *delivery.event;
  put(heads_, kFlags);
  put_short(heads_, content_type_of(delivery));
  headers(event);
  heads_.push_back(kPersistent);
  put_message_id(heads_, event.message_id());
  put<std::uint64_t>(heads_, static_cast<std::uint64_t>(event.received_at() / kSecond));
  put_type(heads_, event);
  put_short(heads_, "bridge55");
}

void PublishBatch::headers(const events::Event& event) {
  const std::size_t begin = heads_.size();
  put<std::uint32_t>(heads_, 0);
  char id[20];
  put_header(heads_, "x-event-id", {id, std::to_chars(id, id + sizeof id, event.id()).ptr});
  put_header(heads_, "x-source", event.source());
  received_at(event.received_at());
  if (!event.facts().seq.empty()) put_seq(heads_, event.facts().seq);
  store(heads_.data() + begin, static_cast<std::uint32_t>(heads_.size() - begin - 4));
}

void PublishBatch::received_at(WallMicros at) {
  if (second_ != at / kSecond) {
    second_text_ = rfc3339(at);
    second_ = at / kSecond;
  }
  // `2026-02-15T19:31:49.789001Z`: only the six digits differ within a second.
  WallMicros micros = at % kSecond;
  for (std::size_t i = 0; i < 6; ++i, micros /= 10)
    second_text_[25 - i] = static_cast<char>('0' + micros % 10);
  put_header(heads_, "x-received-at", second_text_);
}

void PublishBatch::body(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, body_max_);
    heads_.push_back(kContentBody);
    put(heads_, kChannel);
    put<std::uint32_t>(heads_, static_cast<std::uint32_t>(part.size()));
    end_heads();
    pieces_.push_back({part.data(), 0, part.size()});
    pending_ += part.size();
    heads_.push_back(kFrameEnd);
    bytes.remove_prefix(part.size());
  }
}

void PublishBatch::add_heartbeat() {
  end_frame(begin_frame(kHeartbeat, 0));
}

void PublishBatch::add_close(std::string_view text) {
  const std::size_t begin = begin_frame(kMethod, 0);
  put<std::uint32_t>(heads_, 10 << 16 | 50);
  put<std::uint16_t>(heads_, 200);
  put_short(heads_, text);
  put<std::uint32_t>(heads_, 0);  // no method is to blame
  end_frame(begin);
}

void PublishBatch::add_close_ok() {
  const std::size_t begin = begin_frame(kMethod, 0);
  put<std::uint32_t>(heads_, 10 << 16 | 51);
  end_frame(begin);
}

std::span<const iovec> PublishBatch::pieces(std::size_t most) {
  end_heads();
  vectors_.clear();
  for (std::size_t i = first_; i < pieces_.size() && vectors_.size() < most; ++i) {
    const Piece& piece = pieces_[i];
    const char* data = piece.data == nullptr ? heads_.data() + piece.at : piece.data;
    vectors_.push_back({const_cast<char*>(data), piece.size});  // NOLINT: iovec serves reads too
  }
  return vectors_;
}

void PublishBatch::written(std::size_t bytes) {
  pending_ -= bytes;
  while (bytes > 0) {
    Piece& piece = pieces_[first_];
    const std::size_t part = std::min(bytes, piece.size);
    if (piece.data == nullptr) {
      piece.at += part;
    } else {
      piece.data += part;
    }
    piece.size -= part;
    bytes -= part;
    if (piece.size == 0) ++first_;
  }
  if (empty()) clear();
}

void PublishBatch::clear() {
  heads_.clear();
  pieces_.clear();
  heads_from_ = first_ = pending_ = 0;
}

}  // namespace bridge55::rabbitmq
