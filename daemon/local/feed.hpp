// One stream of events to one consumer, over SSE, WebSocket or a UNIX socket: a cursor, a filter and a
// socket. It writes straight from the events' pre-laid bytes when the cursor wakes it. A consumer that does
// not read costs the event it is in the middle of; everything else it gets later, from the journal. Shared by
// its coroutines, which end it: `start` once, then it lives until the peer goes, `close` is done or `stop` is
// called. I/O thread only.
#pragma once

#include "daemon/events/cursor.hpp"
#include "daemon/events/filter.hpp"
#include "daemon/events/routes.hpp"
#include "daemon/local/app.hpp"
#include "daemon/local/consumers.hpp"
#include "daemon/local/feeds.hpp"
#include "daemon/local/introduction.hpp"
#include "daemon/local/query.hpp"
#include "daemon/local/tongue.hpp"
#include "daemon/local/unix_lines.hpp"
#include "daemon/net/stream.hpp"
#include "daemon/net/ws_frames.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace bridge55::local {

struct Context;

// A `kind: unix` sink's routes, shared by its streams so that a reload reaches them all. Nothing: every
// event, as an envelope.
struct FeedRoutes {
  std::string sink;
  std::optional<events::SinkRoutes> routes;
};

class Feed final : public Holder, private Voice, public std::enable_shared_from_this<Feed> {
 public:
  struct Setup {
    net::Stream stream;
    FeedKind kind = FeedKind::sse;
    App app;
    StreamQuery query;
    std::string greeting;                      // sent before everything: the head of the HTTP answer
    std::string received;                      // bytes that came behind the request
    std::shared_ptr<const FeedRoutes> routes;  // lines only
    bool takes_turns = false;                  // over TCP: see rounds.hpp
    unsigned scopes =
        static_cast<unsigned>(config::Scope::events);            // any of which the app needs; 0: none yet
    std::unique_ptr<Tongue> tongue = nullptr;                    // websocket only; null: the daemon's own
    std::unique_ptr<const Introduction> introduction = nullptr;  // with a tongue: how the app came
  };
  Feed(std::shared_ptr<Context> context, Setup setup);
  ~Feed() override;

  void start();
  // WebSocket: a close frame, then the peer's answer or three seconds. Lines: an error line, SSE: a comment;
  // then the end.
  void close(std::uint16_t code, std::string_view reason) override;
  void stop();  // at once; it touches neither hub nor consumers from here on
  void tick(SteadyTime at);
  // Since when events wait for its turn; and an end to that.
  std::optional<SteadyTime> held_since() const { return held_ ? std::optional(held_at_) : std::nullopt; }
  void pump_held();

  void replaced() override { leave_name(4000, "replaced"); }
  void deleted() override { leave_name(1000, "this consumer was deleted"); }

  FeedKind kind() const { return kind_; }
  bool takes_turns() const { return takes_turns_; }
  const App& app() const { return app_; }
  // Any of which the app needs to keep the stream; 0: it has not signed in yet.
  unsigned scopes() const { return scopes_; }
  std::string_view endpoint() const { return tongue_ ? tongue_->endpoint() : std::string_view{}; }
  const std::shared_ptr<const FeedRoutes>& routes() const { return routes_; }
  const Consumers::Entry* consumer() const { return entry_; }
  events::EventId position() const { return cursor_ ? cursor_->position() : from_now_; }

 private:
  static constexpr std::size_t kMaxSaid = 64u << 10;  // a line or frame of an app; its commands are short
  static constexpr std::chrono::seconds kCloseWithin{3};

  // feed.cpp: life
  static net::awaitable<void> run(std::shared_ptr<Feed> self);
  static net::awaitable<void> resume_when_writable(std::shared_ptr<Feed> self);
  net::awaitable<void> wait_for_first_line();
  net::awaitable<void> until_hung_up();
  bool hung_up() const;
  void begin();
  events::EventId begin_after(const Start& start) const;
  bool open_consumer(const std::string& name, const Start& start);
  void leave_name(std::uint16_t code, std::string_view reason);
  void end();

  // feed_input.cpp: what the peer says
  bool read_available();
  bool take_input(std::string_view bytes);
  void take_lines(std::string_view bytes);
  bool take_frames(std::string_view bytes);
  void take_message(const ws::Message& message);
  void take_close(std::uint16_t code);
  void take_command(std::string_view text);
  void obey(const Command& command);
  void reposition(const Command& command);
  void say_line(std::string_view json_line);
  void complain(std::string_view message);

  // feed_tongue.cpp: a stream in another protocol
  void say(std::string_view text) override;
  std::variant<App, Refusal> sign_in(std::string_view key, unsigned any_of) override;
  void listen() override;
  bool listen_as(const std::string& consumer) override;
  void stop_listening() override;
  void acknowledge(events::EventId id) override;
  void go_on() override;
  bool flows() const override { return !blocked_ && control_.empty(); }
  void take_word(const ws::Message& message);
  void gather_words(std::size_t max_bytes);

  // feed_output.cpp: writing
  void woken();
  void pump();
  void pump_later();
  bool write_batch();
  bool write_sealed();
  void gather();
  void gather_events(std::size_t max_bytes);
  bool add_event(const events::Event& event, std::uint32_t index);
  bool add_routed(const events::Event& event, std::uint32_t index);
  void say_loss(const events::Cursor::Loss& loss);
  void add_form(Batch& batch, const events::Event& event, std::uint32_t index) const;
  void all_written();
  void partly_written(std::size_t bytes);
  void keep_rest(std::size_t piece, std::size_t offset);
  void keep_control(std::size_t taken);
  void drop_rest();  // it is written
  void pass(std::size_t count);
  void sent(events::EventId id);
  void block(bool until_writable);
  void let_chunk_go();
  void use_chunk();

  const std::shared_ptr<Context> shared_;
  Context& context_;
  net::Stream stream_;
  FeedKind kind_;
  const std::uint64_t number_;
  const bool takes_turns_;
  bool named_ = false;
  bool started_ = false, blocked_ = false, closing_ = false, peer_closed_ = false, ended_ = false,
       half_closed_ = false;
  bool keeps_chunk_ = false;                    // while blocked, for a second at most
  bool held_ = false;                           // events are here; they wait for this feed's turn
  bool pump_posted_ = false, waiting_ = false;  // a coroutine waits for the socket to take more
  App app_;
  unsigned scopes_;
  std::unique_ptr<Tongue> tongue_;
  std::unique_ptr<const Introduction> introduction_;
  std::shared_ptr<const FeedRoutes> routes_;
  config::Match match_;  // lines only: what later lines change
  events::Filter filter_;
  StreamQuery first_;  // until the stream begins
  events::EventId first_ack_ = 0;
  events::EventId from_now_ = 0;
  std::optional<events::Cursor> cursor_;
  Consumers::Entry* entry_ = nullptr;

  // What goes out before the next event: first the rest of one that the socket took in part, then pings,
  // answers and the like.
  struct Rest {
    events::EventPtr event;  // holds `bytes`, or
    std::string owned;       // holds them
    std::string_view bytes;
    events::EventId completes = 0;  // the event that is sent when these bytes are
  } rest_;
  std::string control_;
  std::string received_;  // until the stream begins

  std::string line_;                       // lines: the beginning of one
  bool skipping_line_ = false;             // it was too long
  std::optional<ws::FrameReader> frames_;  // websocket
  SteadyTime held_at_{}, next_beat_{}, close_by_{};
};

}  // namespace bridge55::local
