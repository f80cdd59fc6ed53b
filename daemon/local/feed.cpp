// A feed's life: how it begins, is kept alive and ends.
#include "daemon/local/feed.hpp"

#include "daemon/local/context.hpp"

#include <algorithm>
#include <poll.h>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace bridge55::local {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using namespace std::chrono_literals;

constexpr auto kCommentEvery = 15s, kPingEvery = 25s;  // sections 5 and 9
constexpr auto kFirstLine = 100ms;                     // section 5
constexpr std::uint16_t kGoingAway = 1001;

}  // namespace

Feed::Feed(std::shared_ptr<Context> context, Setup setup)
    : shared_(std::move(context)),
      context_(*shared_),
      stream_(std::move(setup.stream)),
      kind_(setup.kind),
      number_(context_.feeds.next_number()),
      takes_turns_(setup.takes_turns),
      named_(setup.query.named),
      app_(std::move(setup.app)),
      scopes_(setup.scopes),
      tongue_(std::move(setup.tongue)),
      introduction_(std::move(setup.introduction)),
      routes_(std::move(setup.routes)),
      filter_(setup.query.filter),
      first_(std::move(setup.query)),
      from_now_(context_.hub.last_id()),
      control_(std::move(setup.greeting)),
      received_(std::move(setup.received)) {
  const std::size_t max_said = tongue_ ? tongue_->max_heard() : kMaxSaid;
  if (kind_ == FeedKind::websocket)
    frames_.emplace(ws::Role::server, std::min<std::size_t>(max_said, context_.http.max_frame.count));
  context_.feeds.add(*this);
}

Feed::~Feed() {
  let_chunk_go();
  if (entry_) context_.consumers.close(*entry_, this, now());
  context_.feeds.remove(*this);
}

void Feed::start() {
  asio::co_spawn(context_.io, run(shared_from_this()), asio::detached);
}

net::awaitable<void> Feed::run(std::shared_ptr<Feed> self) {
  if (self->kind_ == FeedKind::lines) co_await self->wait_for_first_line();
  self->begin();
  if (!self->received_.empty()) self->take_input(self->received_);
  std::string().swap(self->received_);
  self->pump();
  while (!self->ended_ && !self->half_closed_) {
    const error_code error = co_await self->stream_.wait_readable();
    if (error || self->ended_ || !self->read_available()) break;
  }
  if (self->half_closed_) co_await self->until_hung_up();
  self->end();
}

net::awaitable<void> Feed::wait_for_first_line() {
  const SteadyTime deadline = SteadyClock::now() + kFirstLine;
  bool heard = false;
  while (!heard && !ended_ && !half_closed_) {
    const error_code error = co_await stream_.wait_readable(deadline);
    if (error || !read_available()) break;
    heard = line_.empty();  // whole lines have been obeyed; the beginning of one may be finished in time
  }
}

// An app that pipes a few lines in and then only listens has ended its side: reading tells nothing any more.
net::awaitable<void> Feed::until_hung_up() {
  asio::steady_timer timer(context_.io);
  while (!ended_ && !hung_up()) {
    timer.expires_after(1s);
    co_await timer.async_wait(asio::use_awaitable);
  }
}

bool Feed::hung_up() const {
  pollfd state{stream_.descriptor(), 0, 0};
  return ::poll(&state, 1, 0) < 0 || (state.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

void Feed::begin() {
  if (ended_) return;
  started_ = true;
  const SteadyTime at = SteadyClock::now();
  next_beat_ = at + (kind_ == FeedKind::websocket ? kPingEvery : kCommentEvery);
  if (tongue_) {
    if (!closing_) tongue_->begin(*this, at);
    return;
  }
  if (!closing_ && (first_.consumer.empty() || open_consumer(first_.consumer, first_.start))) {
    if (!cursor_) {
      cursor_.emplace(context_.hub, begin_after(first_.start), events::Cursor::Reads::live,
                      [this] { woken(); });
    }
  }
  if (entry_ && first_ack_ != 0) context_.consumers.ack(*entry_, first_ack_, now());
  first_ = {};
}

// "Now" is when the app connected, not when its first line was read.
events::EventId Feed::begin_after(const Start& start) const {
  return start.kind == Start::Kind::unset || start.kind == Start::Kind::now ? from_now_
                                                                            : resolve(start, context_.hub);
}

// Takes the name and goes to where it stands; false where that is refused, and then the feed is closing.
bool Feed::open_consumer(const std::string& name, const Start& start) {
  const events::EventId if_new = begin_after(start);
  // A stored 0 would mean "the earliest held" and hide a later loss.
  const Consumers::Opened opened =
      context_.consumers.open(name, app_, std::max<events::EventId>(if_new, 1), this, now());
  if (opened.result == Consumers::Result::other_owner) {
    close(4003, "this consumer name belongs to another app");
    return false;
  }
  if (opened.result == Consumers::Result::full) {
    close(1013, "there are 1000 durable consumers already; delete one with DELETE /events/consumers/{name}");
    return false;
  }
  if (entry_ && entry_ != opened.entry) context_.consumers.close(*entry_, this, now());
  entry_ = opened.entry;
  // A cursor that waits for the disk replaces one that does not.
  cursor_.reset();
  cursor_.emplace(context_.hub, entry_->record.cursor, events::Cursor::Reads::durable, [this] { pump(); });
  return true;
}

void Feed::leave_name(std::uint16_t code, std::string_view reason) {
  entry_ = nullptr;
  close(code, reason);
}

void Feed::close(std::uint16_t code, std::string_view reason) {
  if (closing_ || ended_) return;
  pump_held();  // what came before the goodbye
  if (kind_ == FeedKind::websocket) {
    control_ += ws::close_frame(ws::Role::server, code, reason);
  } else if (kind_ == FeedKind::lines) {
    if (code != kGoingAway)
      complain(reason);  // on a drain the end of the stream says it all; readers expect envelopes
  } else {
    control_.append(": ").append(reason).append("\n\n");
  }
  closing_ = true;
  close_by_ = SteadyClock::now() + kCloseWithin;
  pump();
}

void Feed::stop() {
  ended_ = true;
  if (entry_) context_.consumers.close(*entry_, this, now());
  entry_ = nullptr;
  let_chunk_go();
  cursor_.reset();
  stream_.reset();
}

void Feed::tick(SteadyTime at) {
  if (ended_ || !started_) return;
  if (blocked_) let_chunk_go();
  if (closing_) {
    if (at <= close_by_) return;
    ended_ = true;
    stream_.reset();
    return;
  }
  if (tongue_) tongue_->tick(at);
  // The tongue may have closed: behind a close frame there is no other (RFC 6455, 5.5.1).
  if (closing_ || ended_ || at < next_beat_) return;
  next_beat_ = at + (kind_ == FeedKind::websocket ? kPingEvery : kCommentEvery);
  if (!control_.empty()) return;  // the last one is not even on its way: the peer does not read
  if (kind_ == FeedKind::sse) control_ = ":\n\n";
  if (kind_ == FeedKind::websocket) control_ = ws::frame(ws::Role::server, ws::Kind::ping, {});
  pump();
}

net::awaitable<void> Feed::resume_when_writable(std::shared_ptr<Feed> self) {
  const error_code error = co_await self->stream_.wait_writable();
  self->blocked_ = self->waiting_ = false;
  if (error) {
    self->end();
  } else {
    self->pump();
  }
}

// Its coroutines hold it until they have seen this.
void Feed::end() {
  ended_ = true;
  stream_.cancel();
}

}  // namespace bridge55::local
