#include "daemon/net/ws_frames.hpp"

#include "daemon/net/ws_rules.hpp"
#include "daemon/net/ws_unmask.hpp"

#include <algorithm>
#include <cstring>

#include <simdjson.h>

namespace bridge55::ws {
namespace {

constexpr std::size_t kPadding = 64;      // json::kPadding: simdjson reads whole vectors
constexpr std::size_t kKept = 64u << 10;  // what is kept of a message over the limit
constexpr std::size_t kShrinkAbove = 64u << 10;
constexpr std::uint64_t kHopeless = 1u << 30;  // a message that claims more than this is not waited for

// Bytes with kPadding readable ones behind them at any time.
class Buffer {
 public:
  char* data() { return bytes_.get(); }
  std::size_t capacity() const { return capacity_; }

  // Keeps [from, from + size) and moves it to the front.
  void reallocate(std::size_t capacity, std::size_t from, std::size_t size) {
    auto bytes = std::make_unique_for_overwrite<char[]>(capacity + kPadding);
    std::memset(bytes.get() + capacity, 0, kPadding);
    if (size != 0) std::memcpy(bytes.get(), bytes_.get() + from, size);
    bytes_ = std::move(bytes);
    capacity_ = capacity;
  }
  void free() {
    bytes_.reset();
    capacity_ = 0;
  }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0;
};

struct Header {
  unsigned opcode = 0;
  bool fin = false, masked = false;
  std::uint64_t length = 0;
  MaskKey key{};
  std::size_t size = 0;  // of the header itself
  bool control() const { return (opcode & 8) != 0; }
};

std::uint64_t big_endian(const unsigned char* at, unsigned bytes) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < bytes; ++i)
    value = value << 8 | at[i];
  return value;
}

// RFC 6455, 7.4 and the IANA registry: codes that may stand in a close frame.
bool may_be_sent(std::uint16_t code) {
  if (code >= 3000 && code <= 4999) return true;
  return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

bool is_utf8(std::string_view text) {
  return simdjson::validate_utf8(text.data(), text.size());
}

}  // namespace

struct FrameReader::State {
  Role role;
  std::size_t max_message;
  Buffer in;
  std::size_t read = 0, write = 0;  // committed and not yet taken: [read, write)

  // The message whose fragments are being collected, or whose too many bytes are being skipped.
  bool in_message = false, text = false, skipping = false;
  Buffer parts;
  std::size_t kept = 0;     // bytes in `parts`
  std::uint64_t total = 0;  // of the message so far, with those that were skipped

  // The frame whose payload is being skipped.
  bool in_frame = false;
  Header frame;
  std::uint64_t frame_done = 0;

  Violation broken;
  bool closed = false;

  Next fail(std::uint16_t code, std::string_view reason) {
    broken = {code, reason};
    return Next::violation;
  }
  Next parse_header(Header& header);
  Next check(const Header& header);
  Next control(const Header& header, std::string_view data, Message& message);
  Next take_frame(const Header& header, Message& message, bool& whole);
  Next skip_payload(Message& message, bool& whole);
  Next begin_skipping(const Header& header);
  void append(const char* data, std::size_t size);
  void finish(Message& message, std::string_view data);
};

void FrameReader::StateDeleter::operator()(State* state) const {
  delete state;
}

FrameReader::FrameReader(Role role, std::size_t max_message) : state_(new State) {
  state_->role = role;
  state_->max_message = max_message;
}

std::span<char> FrameReader::prepare(std::size_t at_least) {
  State& s = *state_;
  const std::size_t used = s.write - s.read;
  if (used == 0) s.read = s.write = 0;
  if (s.in.capacity() - s.write < at_least) {
    if (s.in.capacity() >= used + at_least && used <= s.in.capacity() / 2) {
      std::memmove(s.in.data(), s.in.data() + s.read, used);
    } else {
      s.in.reallocate(std::max(used + at_least, used * 2), s.read, used);
    }
    s.read = 0;
    s.write = used;
  }
  return {s.in.data() + s.write, s.in.capacity() - s.write};
}

void FrameReader::commit(std::size_t bytes) {
  if (state_->closed || state_->broken.code != 0) return;
  state_->write += bytes;
}

std::size_t FrameReader::buffered() const {
  return state_->write - state_->read + state_->kept;
}

std::string_view FrameReader::rest() const {
  return {state_->in.data() + state_->read, state_->write - state_->read};
}

void FrameReader::release() {
  State& s = *state_;
  const std::size_t used = s.write - s.read;
  if (used == 0) {
    s.in.free();
    s.read = s.write = 0;
  } else if (s.in.capacity() > kShrinkAbove && s.in.capacity() / 4 > used) {
    s.in.reallocate(used * 2, s.read, used);
    s.read = 0;
    s.write = used;
  }
  if (!s.in_message) {
    s.parts.free();
    s.kept = 0;
  }
}

FrameReader::Next FrameReader::State::parse_header(Header& header) {
  const auto* at = reinterpret_cast<const unsigned char*>(in.data() + read);
  const std::size_t have = write - read;
  if (have < 2) return Next::need_more;
  if ((at[0] & 0x70) != 0) return fail(1002, "reserved bits set without an extension");
  header.fin = (at[0] & 0x80) != 0;
  header.opcode = at[0] & 0x0F;
  header.masked = (at[1] & 0x80) != 0;
  header.length = at[1] & 0x7F;
  const unsigned extended = header.length == 126 ? 2 : header.length == 127 ? 8 : 0;
  if (header.control() && (extended != 0 || !header.fin)) {
    return fail(1002, extended != 0 ? "control frame longer than 125 bytes" : "fragmented control frame");
  }
  header.size = 2 + extended + (header.masked ? 4 : 0);
  if (have < 2 + extended) return check(header) == Next::violation ? Next::violation : Next::need_more;
  if (extended != 0) header.length = big_endian(at + 2, extended);
  if (const Next checked = check(header); checked != Next::message) return checked;
  if (have < header.size) return Next::need_more;
  if (header.masked) std::copy_n(at + 2 + extended, 4, header.key.begin());
  return Next::message;
}

// What can be said against a frame before its payload has come.
FrameReader::Next FrameReader::State::check(const Header& header) {
  switch (header.opcode) {
    case kContinuation:
      if (!in_message) return fail(1002, "continuation frame without a message");
      break;
    case kText:
    case kBinary:
      if (in_message) return fail(1002, "new message inside a fragmented one");
      break;
    case kClose:
    case kPing:
    case kPong:
      break;
    default:
      return fail(1002, "unknown opcode");
  }
  if (header.masked != (role == Role::server)) {
    return fail(1002,
                role == Role::server ? "frame of a client is not masked" : "frame of a server is masked");
  }
  if ((header.length >> 63) != 0) return fail(1002, "length with its top bit set");
  if (header.length > std::max<std::uint64_t>(kHopeless, max_message))
    return fail(1009, "message far too large");
  return Next::message;
}

void FrameReader::State::append(const char* data, std::size_t size) {
  if (kept + size > parts.capacity()) parts.reallocate(std::max(kept + size, parts.capacity() * 2), 0, kept);
  if (size != 0) std::memcpy(parts.data() + kept, data, size);
  kept += size;
}

void FrameReader::State::finish(Message& message, std::string_view data) {
  message.size = total;
  message.close_code = 0;
  if (skipping) {
    message.kind = Kind::too_large;
    data = data.substr(0, kKept);
    message.data = text ? whole_characters(data) : data;
    message.valid_utf8 = text && is_utf8(message.data);
  } else {
    message.kind = text ? Kind::text : Kind::binary;
    message.data = data;
    message.valid_utf8 = !text || is_utf8(data);
  }
  in_message = skipping = false;
  total = 0;
  kept = 0;
}

FrameReader::Next FrameReader::State::control(const Header& header, std::string_view data, Message& message) {
  message.kind = header.opcode == kPing ? Kind::ping : header.opcode == kPong ? Kind::pong : Kind::close;
  message.data = data;
  message.size = data.size();
  message.valid_utf8 = true;
  message.close_code = 0;
  if (header.opcode != kClose) return Next::message;
  message.close_code = 1005;
  if (data.size() == 1) return fail(1002, "close frame with half a code");
  if (data.size() >= 2) {
    message.close_code =
        static_cast<std::uint16_t>(big_endian(reinterpret_cast<const unsigned char*>(data.data()), 2));
    message.data.remove_prefix(2);
    if (!may_be_sent(message.close_code)) return fail(1002, "close code that must not be sent");
    if (!is_utf8(message.data)) return fail(1007, "close reason is not UTF-8");
  }
  closed = true;  // RFC 6455, 5.5.1: nothing counts after it
  return Next::message;
}

// The message has outgrown the limit: from here on only its first kKept bytes stay.
FrameReader::Next FrameReader::State::begin_skipping(const Header& header) {
  if (total + header.length > std::max<std::uint64_t>(kHopeless, max_message)) {
    return fail(1009, "message far too large");
  }
  if (!skipping && kept > kKept) {
    parts.reallocate(kKept, 0, kKept);
    kept = kKept;
  }
  skipping = in_frame = true;
  frame = header;
  frame_done = 0;
  read += header.size;
  return Next::message;
}

FrameReader::Next FrameReader::State::skip_payload(Message& message, bool& whole) {
  const auto here =
      static_cast<std::size_t>(std::min<std::uint64_t>(write - read, frame.length - frame_done));
  const std::size_t wanted = std::min(here, kKept - std::min(kept, kKept));
  if (frame.masked) unmask(in.data() + read, wanted, frame.key, frame_done);
  append(in.data() + read, wanted);
  read += here;
  frame_done += here;
  total += here;
  if (frame_done < frame.length) return Next::need_more;
  in_frame = false;
  if (frame.fin) {
    finish(message, {parts.data(), kept});
    whole = true;
  }
  return Next::message;
}

// One frame that is not being skipped; `whole` where it ended a message.
FrameReader::Next FrameReader::State::take_frame(const Header& header, Message& message, bool& whole) {
  if (!header.control()) {
    if (header.opcode != kContinuation) {
      in_message = true;
      text = header.opcode == kText;
      kept = 0;
      total = 0;
    }
    if (skipping || total + header.length > max_message) return begin_skipping(header);
  }
  if (write - read - header.size < header.length) {
    if (!header.control() && header.opcode != kContinuation)
      in_message = false;  // looked at again when it is here
    return Next::need_more;
  }
  char* payload = in.data() + read + header.size;
  const auto size = static_cast<std::size_t>(header.length);
  if (header.masked) unmask(payload, size, header.key);
  read += header.size + size;
  if (header.control()) {
    whole = true;
    return control(header, {payload, size}, message);
  }
  total += size;
  whole = header.fin;
  if (header.fin && kept == 0) {
    finish(message, {payload, size});  // in place
    return Next::message;
  }
  append(payload, size);
  if (header.fin) finish(message, {parts.data(), kept});
  return Next::message;
}

FrameReader::Next FrameReader::next(Message& message, Violation& violation) {
  State& s = *state_;
  Next result = s.broken.code != 0 ? Next::violation : Next::message;
  bool whole = false;
  while (result == Next::message && !whole) {
    Header header;
    if (s.closed) {
      s.read = s.write = 0;
      return Next::need_more;
    }
    if (s.in_frame) {
      result = s.skip_payload(message, whole);
      continue;
    }
    result = s.parse_header(header);
    if (result == Next::message) result = s.take_frame(header, message, whole);
  }
  if (result == Next::violation) violation = s.broken;
  return result;
}

}  // namespace bridge55::ws
