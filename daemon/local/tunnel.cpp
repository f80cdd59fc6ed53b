#include "daemon/local/tunnel.hpp"

#include "daemon/local/seat.hpp"
#include "daemon/local/tunnel_way.hpp"
#include "daemon/net/ws_frames.hpp"

#include <algorithm>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <sys/socket.h>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace bridge55::local {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kEndsWithin{10};
constexpr seconds kIdleAfter{1};
constexpr seconds kLeavesAfter{1};      // for a peer that knows it is over and does not close its socket
constexpr milliseconds kLookAgain{20};  // whether the kernel has delivered what goes before a cut

void send_at_once(const net::Stream& stream) {
  const int on = 1;  // on a UNIX socket it fails, where nothing is held back
  ::setsockopt(stream.descriptor(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace

struct Tunnel::Impl final : WayOwner, net::EdgeWaiter {
  enum Which { kApp, kFar };

  Impl(Tunnel& self, asio::io_context& loop, Setup given)
      : tunnel(self),
        io(loop),
        setup(std::move(given)),
        from_app(*this, {&setup.app, &setup.far, ws::WsTracker::Expects::masked,
                         ws::close_frame(ws::Role::client, 1001, "the relay's app is gone")}),
        from_far(*this, {&setup.far, &setup.app, ws::WsTracker::Expects::unmasked,
                         ws::close_frame(ws::Role::server, 1011, "the relay's far side is gone")}),
        timer(loop) {
    from_app.set_opposite(from_far);
    from_far.set_opposite(from_app);
  }

  void edge(int which, net::Edges edges) override {
    Way& out_of = which == kApp ? from_app : from_far;
    Way& into = which == kApp ? from_far : from_app;
    out_of.source_edge(edges);
    into.sink_edge(edges);
  }

  // What the ways tell.
  void run_later(Way& way) override {
    asio::post(io, [self = tunnel.shared_from_this(), &way] { way.run(); });
  }
  void source_closed(Way& way) override;
  void source_ended(Way& way, net::error_code why) override;
  void sink_ended(Way& way) override;
  void sink_gone(Way& way, net::error_code why) override;
  void source_broke(Way& way) override;
  void needs_cut(Way& way) override;
  void finished(Way& way) override;
  void busy() override;

  Way& opposite(Way& way) { return &way == &from_app ? from_far : from_app; }
  std::string name_of_source(Way& way) const { return &way == &from_app ? "the app" : "the far side"; }
  void note(std::string words);
  void end_by(SteadyTime at);
  void leave_if_over();
  void look_for_leave(SteadyTime now);
  void schedule();
  void tick();
  void look_for_progress(SteadyTime now);
  void look_for_work(SteadyTime now);
  void close_streams();
  void end();
  TunnelEnd account() const;

  Tunnel& tunnel;
  asio::io_context& io;
  Setup setup;
  Way from_app, from_far;
  asio::steady_timer timer;
  std::optional<SteadyTime> wakes_at;  // for the first of these:
  std::optional<SteadyTime> deadline;  // of the whole
  std::optional<SteadyTime> rests_at,
      progress_by;                      // buffers go back; a broken side's bytes must have moved on
  std::optional<SteadyTime> leaves_at;  // nothing is to be said any more
  std::uint64_t progress = 0;
  std::string why;
  bool ended = false;
};

Tunnel::Tunnel(asio::io_context& io, Setup setup)
    : impl_(std::make_unique<Impl>(*this, io, std::move(setup))) {}
Tunnel::~Tunnel() = default;

void Tunnel::start() {
  Impl& s = *impl_;
  send_at_once(s.setup.app);
  send_at_once(s.setup.far);
  s.setup.app.keep_buffers(false);
  s.setup.far.keep_buffers(false);
  const std::shared_ptr<Tunnel> alive = shared_from_this();
  const std::shared_ptr<net::EdgeWaiter> waiter(alive, impl_.get());
  s.setup.app.watch(waiter, Impl::kApp);
  s.setup.far.watch(waiter, Impl::kFar);
  if (!s.setup.from_app.empty()) s.from_app.pass_first(std::exchange(s.setup.from_app, {}));
  if (!s.setup.from_far.empty()) s.from_far.pass_first(std::exchange(s.setup.from_far, {}));
  s.from_app.run();
  s.from_far.run();
}

void Tunnel::close(std::uint16_t code, std::string_view reason, SteadyTime deadline) {
  Impl& s = *impl_;
  if (s.ended) return;
  const std::shared_ptr<Tunnel> alive = shared_from_this();
  s.note("closed here with " + std::to_string(code) + ": " + std::string(reason));
  s.end_by(deadline);
  s.from_far.say_last(ws::close_frame(ws::Role::server, code, reason));
  s.from_app.say_last(ws::close_frame(ws::Role::client, code, reason));
}

void Tunnel::stop() {
  Impl& s = *impl_;
  if (s.ended) return;
  const std::shared_ptr<Tunnel> alive = shared_from_this();
  s.setup.ended = nullptr;
  s.end();
}

void Tunnel::Impl::note(std::string words) {
  if (why.empty()) why = std::move(words);
}

void Tunnel::Impl::source_closed(Way& way) {
  note(name_of_source(way) + " closed it");
  end_by(SteadyClock::now() + kEndsWithin);
  run_later(opposite(way));
  leave_if_over();
}

void Tunnel::Impl::source_ended(Way& way, net::error_code error) {
  const bool whole = way.tracker().between_frames();
  note(name_of_source(way) + " is gone" + (whole ? "" : " in the middle of a frame") +
       (error == asio::error::eof ? "" : ": " + error.message()));
  end_by(SteadyClock::now() + kEndsWithin);
  run_later(opposite(way));
  leave_if_over();
}

void Tunnel::Impl::sink_ended(Way&) {
  leave_if_over();
}

void Tunnel::Impl::sink_gone(Way& way, net::error_code error) {
  note(name_of_source(opposite(way)) + " is gone: " + error.message());
  end_by(SteadyClock::now() + kEndsWithin);
  leave_if_over();
}

// What it said before is still worth its way, as long as the other side takes it.
void Tunnel::Impl::source_broke(Way&) {
  if (ended || progress_by) return;
  progress_by = SteadyClock::now() + kEndsWithin;
  progress = from_app.written() + from_far.written();
  schedule();
}

void Tunnel::Impl::needs_cut(Way&) {
  schedule();
}

void Tunnel::Impl::finished(Way& way) {
  if (opposite(way).finished()) end();
}

void Tunnel::Impl::busy() {
  setup.app.keep_buffers(true);
  setup.far.keep_buffers(true);
  if (rests_at) return;
  rests_at = SteadyClock::now() + kIdleAfter;
  schedule();
}

void Tunnel::Impl::end_by(SteadyTime at) {
  if (ended) return;
  deadline = deadline ? std::min(*deadline, at) : at;
  schedule();
}

void Tunnel::Impl::leave_if_over() {
  if (ended || leaves_at || !from_app.is_over() || !from_far.is_over()) return;
  leaves_at = SteadyClock::now() + kLeavesAfter;
  schedule();
}

void Tunnel::Impl::schedule() {
  SteadyTime next = SteadyTime::max();
  for (const auto& at : {deadline, rests_at, progress_by, leaves_at}) {
    if (at) next = std::min(next, *at);
  }
  if (from_app.is_cutting() || from_far.is_cutting()) next = std::min(next, SteadyClock::now() + kLookAgain);
  if (next == SteadyTime::max() || (wakes_at && *wakes_at <= next)) return;
  wakes_at = next;
  timer.expires_at(next);
  timer.async_wait([this, self = tunnel.shared_from_this()](net::error_code error) {
    if (!error && !ended) tick();
  });
}

void Tunnel::Impl::tick() {
  wakes_at.reset();
  const SteadyTime now = SteadyClock::now();
  if (deadline && now >= *deadline) {
    why += "; not over in time";
    return end();
  }
  look_for_progress(now);
  look_for_work(now);
  look_for_leave(now);
  for (Way* way : {&from_app, &from_far}) {
    if (!ended) way->cut_if_delivered();
  }
  if (!ended) schedule();
}

void Tunnel::Impl::look_for_progress(SteadyTime now) {
  if (!progress_by || now < *progress_by) return;
  progress_by = now + kEndsWithin;
  const std::uint64_t before = std::exchange(progress, from_app.written() + from_far.written());
  if (before != progress) return;
  note("a side is gone, and the other does not read");
  end_by(now);
}

// Bytes that come to a closed socket are answered with RST, which takes those on their way with it.
void Tunnel::Impl::look_for_leave(SteadyTime now) {
  if (ended || !leaves_at || now < *leaves_at) return;
  if (from_app.is_delivered() && from_far.is_delivered()) return end();
  leaves_at = now + kLookAgain;
}

void Tunnel::Impl::look_for_work(SteadyTime now) {
  if (!rests_at || now < *rests_at) return;
  const unsigned reads = from_app.take_reads() + from_far.take_reads();
  rests_at.reset();
  if (reads >= Way::kBusyReads) {
    rests_at = now + kIdleAfter;
  } else {
    setup.app.keep_buffers(false);
    setup.far.keep_buffers(false);
  }
}

void Tunnel::Impl::close_streams() {
  from_far.sink_whole() ? setup.app.close() : setup.app.reset();
  from_app.sink_whole() ? setup.far.close() : setup.far.reset();
}

void Tunnel::Impl::end() {
  if (std::exchange(ended, true)) return;
  close_streams();
  from_app.let_go();
  from_far.let_go();
  timer.cancel();
  setup.seat.reset();
  if (auto tell = std::exchange(setup.ended, nullptr)) {
    asio::post(io, [tell = std::move(tell), said = account()] { tell(said); });
  }
}

TunnelEnd Tunnel::Impl::account() const {
  const ws::WsTracker &app = from_app.tracker(), &far = from_far.tracker();
  return {why,          app.close_code(), far.close_code(), from_app.bytes(), from_far.bytes(),
          app.frames(), far.frames(),     app.fault(),      far.fault()};
}

}  // namespace bridge55::local
