// One thing that upstream said, or that the daemon says of itself: immutable, shared by every consumer on
// every thread. All its bytes live in one block that is laid out once, so that each consumer writes it
// without building anything:
//
//     [raw frame][strings]["id: <id>\ndata: "][WebSocket header][envelope]["\n\n"]
//
// so a WebSocket frame and a line are one piece each and an SSE record is two.
// The contract's section 3 fixes the envelope; section 7 the keys.
#pragma once

#include "daemon/base/clock.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace bridge55::events {

using EventId =
    std::uint64_t;  // microseconds since the epoch, pushed up where two would be equal (section 3: `id`)
using MessageId = std::array<std::uint8_t, 16>;

// What a protocol cut out of a frame. The views need to live only until `Event::make` returns.
struct Facts {
  std::string_view source, channel, name;  // decoded text; `name` is the contract's `event`
  std::string_view key;                    // decoded text; empty: none
  std::string_view seq, ts,
      subscription;               // the vendor's counters as the JSON tokens that were sent; empty: absent
  std::string_view payload, old;  // valid JSON as received; old empty: absent
  std::string_view raw;           // the whole upstream frame; empty: the payload is all there is
  std::string_view relay;         // JSON object of a relay event; empty: none
  std::string_view
      about;  // a `bridge` event's subject (the upstream or sink it speaks of); not in the envelope
  bool recovered = false;  // rebuilt from REST (section 8)
  bool base64 = false;     // payload is base64 text of a binary frame
};

class Event;
using EventPtr = std::shared_ptr<const Event>;

class Event {
 public:
  struct Stamp {
    EventId id = 0;
    WallMicros received_at = 0;
    MessageId message_id{};
  };

  static EventPtr make(const Stamp& stamp, const Facts& facts);

  EventId id() const { return stamp_.id; }
  WallMicros received_at() const { return stamp_.received_at; }
  const MessageId& message_id() const { return stamp_.message_id; }
  std::string message_id_hex() const;

  // All views live as long as the event.
  const Facts& facts() const { return facts_; }
  std::string_view source() const { return facts_.source; }
  std::string_view channel() const { return facts_.channel; }
  std::string_view name() const { return facts_.name; }
  std::string_view key() const { return facts_.key; }
  std::string_view payload() const { return facts_.payload; }
  std::string_view raw() const { return facts_.raw; }
  bool is_gap() const { return facts_.source == "bridge" && facts_.channel == "gap"; }

  // The envelope with the payload byte for byte as received: for message bodies that have a length of their
  // own.
  std::string_view envelope() const { return envelope_; }
  // The same where CR and LF became spaces, framed for each kind of stream. They differ from `envelope()`
  // only where upstream sent line breaks between tokens. A WebSocket frame has a length of its own and
  // carries the untouched envelope.
  std::string_view line() const { return line_; }                                 // envelope + "\n"
  std::string_view sse_head() const { return sse_head_; }                         // "id: …\ndata: "
  std::string_view sse_body() const { return {line_.data(), line_.size() + 1}; }  // envelope + "\n\n"
  std::string_view ws_frame() const { return ws_frame_; }  // unmasked text frame (RFC 6455, 5.2)
  std::size_t memory_bytes() const { return bytes_; }      // what it holds, for bounds

  // The journal's columns `meta` and back: everything of the event that has no column of its own.
  std::string encode_meta() const;
  struct Row {
    EventId id = 0;
    WallMicros received_at = 0;
    std::string_view source, channel, name, key, meta, raw;
  };
  // Null where `meta` is not what this version writes (damage): the caller says so, altered bytes are never
  // delivered.
  static EventPtr from_row(const Row& row);

  struct Private {
    explicit Private() = default;
  };
  explicit Event(Private) {}

 private:
  void lay_out(const Facts& facts);

  Stamp stamp_;
  Facts facts_;
  std::unique_ptr<char[]> block_;
  std::size_t bytes_ = 0;
  std::string_view envelope_, line_, sse_head_, ws_frame_;
};

}  // namespace bridge55::events
