// What a vendor's event protocol decides by itself: what to say first, what a frame means. Pure: text in,
// views and text out. Everything that all of them share (timers, seq, acknowledgements, gaps, retries) is in
// session.hpp and lifecycle.hpp.
#pragma once

#include "daemon/events/event.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace bridge55::upstream {

// One text frame, understood. The views point into the frame or into the buffers here, and hold until the
// next `read`.
struct Incoming {
  enum class Type {
    data,       // `facts` is an event
    ready,      // the answer to the login: the session is up
    ping,       // wants a pong
    alive,      // pong, heartbeat: nothing to do
    error,      // `message` in words
    reconnect,  // the server will close on purpose and be back at once
    other,      // valid, but nothing we know: `type_name`
    broken,     // cannot be understood: `reason`
  };
  Type type = Type::other;
  events::Facts facts;
  std::string_view type_name, reason;
  std::string message;
  // Of a login's answer (vendor docs, ABP WebSocket, "Login confirmation"; MM WebSocket, "Confirmation").
  std::string_view subscription, channels;
  std::string_view answer;  // all of it
  bool acknowledgments = false, batch_ack = false;
  bool require_ack = true;  // false where the frame says so itself

  std::string channel_text, name_text, key_text, type_text, payload_text;  // what had to be decoded
  void clear();
};

class Protocol {
 public:
  virtual ~Protocol() = default;
  // The first message after the upgrade; empty: none.
  virtual std::string login(bool reliable_delivery) const = 0;
  // Whether the session is up only once a frame of Type::ready came.
  virtual bool login_is_answered() const = 0;
  // The message that asks the peer for a sign of life; empty: a WebSocket ping does that.
  virtual std::string_view ping() const = 0;
  virtual std::string_view pong() const = 0;
  // `frame` has json::kPadding readable bytes behind it and is UTF-8.
  virtual void read(std::string_view frame, Incoming& into) const = 0;
  // Whether a binary frame is an event (as base64) or something that cannot be understood.
  virtual bool takes_binary() const = 0;
};

}  // namespace bridge55::upstream
