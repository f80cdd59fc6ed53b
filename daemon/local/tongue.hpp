// A WebSocket stream of events that speaks another protocol than the daemon's own: a vendor's on the drop-in
// endpoints, a target's on an attached relay (contract, section 5). The Feed brings the cursor, the journal
// for those who are slow, backpressure, pings and the drain; the tongue says what an event looks like and
// what the app's messages mean. I/O thread only.
#pragma once

#include "daemon/base/clock.hpp"
#include "daemon/events/cursor.hpp"
#include "daemon/events/event.hpp"
#include "daemon/local/app.hpp"
#include "daemon/local/refusal.hpp"
#include "daemon/net/stream.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace bridge55::local {

class Exchange;
struct Batch;

// The socket as its tongue sees it. What is said goes out before the next event; an app that sends and does
// not read gets no more than 64 KiB of answers. Lives as long as the tongue; after a close nothing is sent.
class Voice {
 public:
  virtual void say(std::string_view text) = 0;                          // one text frame
  virtual void close(std::uint16_t code, std::string_view reason) = 0;  // after what was said
  // Who the app is, by header, peer or else this key, and whether it has any of these scopes; a reload that
  // takes them away closes the socket from now on.
  virtual std::variant<App, Refusal> sign_in(std::string_view key, unsigned any_of) = 0;
  // Events come: from now on, or as this durable consumer from where it acknowledged. False: the name is
  // refused, and the socket closing.
  virtual void listen() = 0;
  virtual bool listen_as(const std::string& consumer) = 0;
  virtual void stop_listening() = 0;
  virtual void acknowledge(events::EventId id) = 0;  // of the durable consumer
  virtual void go_on() = 0;        // writes what there is: after a hold, or a word out of turn
  virtual bool flows() const = 0;  // the app takes what it is sent

 protected:
  ~Voice() = default;
};

// Where the frame of the event at hand goes.
class Frames {
 public:
  Frames(Batch& batch, std::uint32_t index) : batch_(batch), index_(index) {}
  static constexpr std::size_t kMostViews = 3;
  // One text frame: `head` and `tail` are copied, `views` (at most kMostViews) must live as long as the
  // event.
  void text(std::string_view head, std::span<const std::string_view> views, std::string_view tail);
  void text(std::string_view view) { text({}, {&view, 1}, {}); }
  void binary(std::string bytes);

 private:
  void put(std::string_view header, std::string_view text);
  Batch& batch_;
  std::uint32_t index_;
};

class Tongue {
 public:
  virtual ~Tongue() = default;
  // The socket is open; `voice` may be used from here to the tongue's end.
  virtual void begin(Voice& voice, SteadyTime now) = 0;

  // What the app says. Text is valid UTF-8; `data` holds until the call returns.
  virtual void heard(std::string_view text, SteadyTime now) = 0;
  virtual void heard_binary(std::string_view data, SteadyTime now) = 0;
  virtual void heard_too_much(std::uint64_t bytes,
                              SteadyTime now) = 0;  // over `max_heard`, under http.max_frame
  virtual std::size_t max_heard() const { return 64u << 10; }

  // At most one frame an event. Events are offered in order, perhaps more than once: all of a round up to
  // `through` are sent or on their way, those behind it are offered again.
  enum class Take { added, skipped, held };  // held: not now; `Voice::go_on` when it may
  virtual Take take(const events::Event& event, Frames frames) = 0;
  virtual void taken(events::EventId through) = 0;
  // Nothing is offered while it holds the stream back.
  virtual bool holds() const { return false; }
  // A durable consumer's place was deleted by retention.
  virtual void lost(const events::Cursor::Loss& /*loss*/) {}

  virtual void tick(SteadyTime now) = 0;          // once a second
  virtual std::string_view endpoint() const = 0;  // its path, for /status
};

// Answers the request by itself: 426 where it is no upgrade to a WebSocket, else the tongue has the socket.
net::awaitable<void> serve_tongue(Exchange& exchange, std::unique_ptr<Tongue> tongue);

}  // namespace bridge55::local
