#include "bridges/rabbitmq/requests_frames.hpp"

#include "bridges/rabbitmq/publish_frames.hpp"

#include <algorithm>

namespace bridge55::rabbitmq {
namespace {

constexpr std::uint8_t kMethod = 1, kContentHeader = 2, kContentBody = 3, kHeartbeat = 8;
constexpr char kFrameEnd = '\xCE';
constexpr std::size_t kFrameOverhead = 8;
constexpr std::string_view kConsumerTag = "bridge55.requests";
constexpr char kMandatory = 1, kPersistent = 2;
// content_type, delivery_mode, correlation_id, app_id (AMQP 0-9-1, 4.2.6.1 and 1.8.1).
constexpr std::uint16_t kFlags = 1 << 15 | 1 << 12 | 1 << 10 | 1 << 3;

constexpr std::uint32_t method_id(std::uint16_t class_id, std::uint16_t id) {
  return std::uint32_t{class_id} << 16 | id;
}

// Reads big-endian fields and remembers whether any of them was cut short.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : bytes_(bytes) {}

  template <class T>
  T number() {
    T value = 0;
    for (const char c : cut(sizeof(T)))
      value = static_cast<T>(value << 8 | static_cast<unsigned char>(c));
    return value;
  }
  std::string_view short_string() { return cut(number<std::uint8_t>()); }
  void skip_table() { cut(number<std::uint32_t>()); }
  bool ok() const { return ok_; }

 private:
  std::string_view cut(std::size_t size) {
    if (bytes_.size() < size) {
      ok_ = false;
      bytes_ = {};
    }
    const std::string_view part = bytes_.substr(0, std::min(size, bytes_.size()));
    bytes_.remove_prefix(part.size());
    return part;
  }

  std::string_view bytes_;
  bool ok_ = true;
};

template <class T>
void put(std::string& out, T value) {
  for (int shift = 8 * (static_cast<int>(sizeof(T)) - 1); shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(value >> shift & 0xff));
}

// At most 255 bytes: what came as a short string fits again.
void put_short(std::string& out, std::string_view text) {
  text = text.substr(0, 255);
  out.push_back(static_cast<char>(text.size()));
  out.append(text);
}

void put_frame(std::string& out, std::uint8_t type, std::uint16_t channel, std::string_view payload) {
  out.push_back(static_cast<char>(type));
  put(out, channel);
  put(out, static_cast<std::uint32_t>(payload.size()));
  out.append(payload).push_back(kFrameEnd);
}

std::string begin_method(std::uint16_t class_id, std::uint16_t id) {
  std::string payload;
  put(payload, method_id(class_id, id));
  return payload;
}

}  // namespace

DeliveryReader::Took DeliveryReader::take(const BrokerSaid& said) {
  if (said.type == kMethod) {
    if (expects_ != Expects::method) return Took::malformed;
    return method(said.payload);
  }
  if (said.type == kContentHeader) {
    if (expects_ != Expects::header || !header(said.payload)) return Took::malformed;
    return body_done();
  }
  if (said.type != kContentBody) return Took::nothing;
  if (expects_ != Expects::body || said.payload.size() > left_) return Took::malformed;
  left_ -= said.payload.size();
  if (ours_ && !delivered_.too_large) delivered_.body.append(said.payload);
  return body_done();
}

DeliveryReader::Took DeliveryReader::method(std::string_view payload) {
  Fields fields(payload);
  const auto class_id = fields.number<std::uint16_t>();
  switch (method_id(class_id, fields.number<std::uint16_t>())) {
    case method_id(60, 21):
      return Took::consuming;
    case method_id(60, 30):
      return Took::cancelled;
    case method_id(60, 50):
      ours_ = false;
      break;
    case method_id(60, 60):
      ours_ = true;
      delivered_ = {};
      fields.short_string();  // consumer tag: there is one
      delivered_.tag = fields.number<std::uint64_t>();
      break;
    default:
      return fields.ok() ? Took::nothing : Took::malformed;
  }
  expects_ = Expects::header;
  return fields.ok() ? Took::nothing : Took::malformed;
}

// The properties stand in the order of their flags' bits, highest first.
bool DeliveryReader::header(std::string_view payload) {
  Fields fields(payload);
  fields.number<std::uint32_t>();  // class and weight
  left_ = fields.number<std::uint64_t>();
  expects_ = Expects::body;
  if (!ours_) return fields.ok();
  const auto flags = fields.number<std::uint16_t>();
  for (auto more = flags; (more & 1) != 0 && fields.ok();)
    more = fields.number<std::uint16_t>();
  const auto has = [flags](int bit) { return (flags >> bit & 1) != 0; };
  if (has(15)) fields.short_string();  // content type
  if (has(14)) fields.short_string();  // content encoding
  if (has(13)) fields.skip_table();
  if (has(12)) fields.number<std::uint8_t>();  // delivery mode
  if (has(11)) fields.number<std::uint8_t>();  // priority
  if (has(10)) delivered_.correlation_id = fields.short_string();
  if (has(9)) delivered_.reply_to = fields.short_string();
  if (has(8)) fields.short_string();  // expiration
  if (has(7)) delivered_.message_id = fields.short_string();
  if (has(6)) delivered_.timestamp = fields.number<std::uint64_t>();
  delivered_.too_large = left_ > max_body_;
  return fields.ok();
}

DeliveryReader::Took DeliveryReader::body_done() {
  if (left_ > 0) return Took::nothing;
  expects_ = Expects::method;
  return ours_ ? Took::delivery : Took::nothing;
}

void append_qos(std::string& out, std::uint16_t prefetch) {
  std::string payload = begin_method(60, 10);
  put(payload, std::uint32_t{0});
  put(payload, prefetch);
  payload.push_back(0);  // for this consumer
  put_frame(out, kMethod, kChannel, payload);
}

void append_consume(std::string& out, std::string_view queue) {
  std::string payload = begin_method(60, 20);
  put(payload, std::uint16_t{0});
  put_short(payload, queue);
  put_short(payload, kConsumerTag);
  payload.push_back(0);            // with acknowledgements, not exclusive, answered
  put(payload, std::uint32_t{0});  // no arguments
  put_frame(out, kMethod, kChannel, payload);
}

void append_cancel(std::string& out) {
  std::string payload = begin_method(60, 30);
  put_short(payload, kConsumerTag);
  payload.push_back(1);  // no answer wanted
  put_frame(out, kMethod, kChannel, payload);
}

void append_ack(std::string& out, std::uint64_t tag) {
  std::string payload = begin_method(60, 80);
  put(payload, tag);
  payload.push_back(0);
  put_frame(out, kMethod, kChannel, payload);
}

void append_reply(std::string& out, const ReplyMessage& reply, std::size_t frame_max) {
  std::string payload = begin_method(60, 40);
  put(payload, std::uint16_t{0});
  put_short(payload, "");
  put_short(payload, reply.reply_to);
  payload.push_back(kMandatory);
  put_frame(out, kMethod, kChannel, payload);

  std::string header;
  put(header, method_id(60, 0));
  put(header, std::uint64_t{reply.text.size()});
  put(header, kFlags);
  put_short(header, "application/json");
  header.push_back(kPersistent);
  put_short(header, reply.correlation_id);
  put_short(header, "bridge55");
  put_frame(out, kContentHeader, kChannel, header);

  for (std::string_view rest = reply.text; !rest.empty();) {
    const std::string_view part = rest.substr(0, frame_max - kFrameOverhead);
    put_frame(out, kContentBody, kChannel, part);
    rest.remove_prefix(part.size());
  }
}

void append_heartbeat(std::string& out) {
  put_frame(out, kHeartbeat, 0, {});
}

void append_close(std::string& out) {
  std::string payload = begin_method(10, 50);
  put(payload, std::uint16_t{200});
  put_short(payload, "bye");
  put(payload, std::uint32_t{0});  // no method is to blame
  put_frame(out, kMethod, 0, payload);
}

void append_close_ok(std::string& out) {
  put_frame(out, kMethod, 0, begin_method(10, 51));
}

}  // namespace bridge55::rabbitmq
