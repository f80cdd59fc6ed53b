#include "bridges/rabbitmq/broker_frames.hpp"

#include <cstring>

namespace bridge55::rabbitmq {
namespace {

constexpr std::size_t kHeader = 7, kEnd = 1;
constexpr std::size_t kReadAhead = 64 << 10;
constexpr unsigned char kFrameEnd = 0xCE;
constexpr std::uint8_t kMethod = 1, kContentHeader = 2, kContentBody = 3, kHeartbeat = 8;

constexpr std::uint32_t method(std::uint16_t class_id, std::uint16_t id) {
  return std::uint32_t{class_id} << 16 | id;
}

// Reads big-endian fields and remembers whether any of them was cut short.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : bytes_(bytes) {}

  template <class T>
  T number() {
    if (bytes_.size() < sizeof(T)) return failed<T>();
    T value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i)
      value = static_cast<T>(value << 8 | static_cast<unsigned char>(bytes_[i]));
    bytes_.remove_prefix(sizeof(T));
    return value;
  }

  std::string_view short_string() {
    const std::size_t length = number<std::uint8_t>();
    if (bytes_.size() < length) return failed<std::string_view>();
    const std::string_view text = bytes_.substr(0, length);
    bytes_.remove_prefix(length);
    return text;
  }

  bool ok() const { return ok_; }

 private:
  template <class T>
  T failed() {
    ok_ = false;
    bytes_ = {};
    return T{};
  }

  std::string_view bytes_;
  bool ok_ = true;
};

void read_answer(Fields& fields, BrokerSaid& said, BrokerFrame what) {
  said.what = what;
  said.tag = fields.number<std::uint64_t>();
  said.multiple = (fields.number<std::uint8_t>() & 1) != 0;
}

void read_close(Fields& fields, BrokerSaid& said, BrokerFrame what) {
  said.what = what;
  said.code = fields.number<std::uint16_t>();
  said.text = fields.short_string();
}

bool read_method(std::string_view payload, BrokerSaid& said) {
  Fields fields(payload);
  const auto class_id = fields.number<std::uint16_t>();
  switch (method(class_id, fields.number<std::uint16_t>())) {
    case method(60, 80):
      read_answer(fields, said, BrokerFrame::ack);
      break;
    case method(60, 120):
      read_answer(fields, said, BrokerFrame::nack);
      break;
    case method(60, 50):
      read_close(fields, said, BrokerFrame::returned);
      said.exchange = fields.short_string();
      said.routing_key = fields.short_string();
      break;
    case method(20, 40):
      read_close(fields, said, BrokerFrame::channel_close);
      break;
    case method(10, 50):
      read_close(fields, said, BrokerFrame::connection_close);
      break;
    case method(10, 51):
      said.what = BrokerFrame::connection_closed;
      break;
    case method(10, 60):  // https://www.rabbitmq.com/connection-blocked.html
      said.what = BrokerFrame::blocked;
      said.text = fields.short_string();
      break;
    case method(10, 61):
      said.what = BrokerFrame::unblocked;
      break;
    default:
      break;
  }
  return fields.ok();
}

}  // namespace

FrameReader::FrameReader(std::size_t frame_max) : frame_max_(frame_max), buffer_(frame_max + kReadAhead) {}

std::span<char> FrameReader::space() {
  if (begin_ == end_) {
    begin_ = end_ = 0;
  } else if (buffer_.size() - end_ < kReadAhead / 2) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  return std::span(buffer_).subspan(end_);
}

FrameReader::Next FrameReader::next(BrokerSaid& said) {
  said = {};
  const std::string_view held(buffer_.data() + begin_, end_ - begin_);
  if (held.size() < kHeader) return Next::more;
  Fields header(held);
  const auto type = header.number<std::uint8_t>();
  header.number<std::uint16_t>();  // channel: we have one
  const std::size_t size = header.number<std::uint32_t>();
  // Checked before the payload has come: a length cannot make us wait for, or hold, more than was agreed.
  if (size > frame_max_ - kHeader - kEnd) return Next::malformed;
  if (type != kMethod && type != kContentHeader && type != kContentBody && type != kHeartbeat)
    return Next::malformed;
  if (held.size() < kHeader + size + kEnd) return Next::more;
  if (static_cast<unsigned char>(held[kHeader + size]) != kFrameEnd) return Next::malformed;
  begin_ += kHeader + size + kEnd;
  said.type = type;
  said.payload = held.substr(kHeader, size);
  if (type == kHeartbeat) said.what = BrokerFrame::heartbeat;
  if (type == kMethod && !read_method(held.substr(kHeader, size), said)) return Next::malformed;
  return Next::frame;
}

}  // namespace bridge55::rabbitmq
