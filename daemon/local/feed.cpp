// A feed's life, and what its peer says.
#include "daemon/local/feed.hpp"

#include <poll.h>

#include <algorithm>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "daemon/local/context.hpp"

namespace bridge55::local {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using namespace std::chrono_literals;

constexpr auto kCommentEvery = 15s, kPingEvery = 25s;  // sections 5 and 9
constexpr auto kFirstLine = 100ms;                     // section 5
constexpr std::uint16_t kGoingAway = 1001;
constexpr auto kCloseWithin = 3s;
constexpr std::size_t kMaxLine = 64u << 10;            // of what an app says; section 5's commands are short
constexpr std::size_t kMaxControl = 64u << 10;         // answers to a peer that sends and does not read
constexpr int kReadsAtOnce = 16;

std::string start_text(const Start& start) {
  if (start.kind == Start::Kind::earliest) return "earliest";
  return start.kind == Start::Kind::after ? std::to_string(start.id) : "latest";
}

}  // namespace

events::EventId resolve(const Start& start, const events::Hub& hub) {
  switch (start.kind) {
    case Start::Kind::earliest:
      return hub.gone_through();
    case Start::Kind::after:
      // To a cursor 0 is "the earliest held"; an app that names an id wants to hear what is gone since.
      return std::clamp<events::EventId>(start.id, 1, std::max<events::EventId>(hub.last_id(), 1));
    case Start::Kind::unset:
    case Start::Kind::now:
      break;
  }
  return hub.last_id();
}

Feed::Feed(std::shared_ptr<Context> context, Setup setup)
    : shared_(std::move(context)),
      context_(*shared_),
      stream_(std::move(setup.stream)),
      kind_(setup.kind),
      number_(context_.feeds.next_number()),
      named_(setup.query.named),
      app_(std::move(setup.app)),
      routes_(std::move(setup.routes)),
      filter_(setup.query.filter),
      first_(std::move(setup.query)),
      from_now_(context_.hub.last_id()),
      control_(std::move(setup.greeting)),
      received_(std::move(setup.received)) {
  if (kind_ == FeedKind::websocket) frames_.emplace(ws::Role::server, kMaxLine);
  context_.feeds.add(*this);
}

Feed::~Feed() {
  if (entry_) context_.consumers.close(*entry_, this, now());
  context_.feeds.remove(*this);
}

void Feed::start() { asio::co_spawn(context_.io, run(shared_from_this()), asio::detached); }

net::awaitable<void> Feed::run(std::shared_ptr<Feed> self) {
  if (self->kind_ == FeedKind::lines) co_await self->wait_for_first_line();
  self->begin();
  const std::string received = std::exchange(self->received_, {});
  if (!received.empty()) self->take_input(received);
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
  if (!closing_ && (first_.consumer.empty() || open_consumer(first_.consumer, first_.start))) {
    if (!cursor_) {
      cursor_.emplace(context_.hub, begin_after(first_.start), events::Cursor::Reads::live, [this] { woken(); });
    }
  }
  if (entry_ && first_ack_ != 0) context_.consumers.ack(*entry_, first_ack_, now());
  first_ = {};
}

// "Now" is when the app connected, not when its first line was read.
events::EventId Feed::begin_after(const Start& start) const {
  return start.kind == Start::Kind::unset || start.kind == Start::Kind::now ? from_now_ : resolve(start, context_.hub);
}

// Takes the name and goes to where it stands; false where that is refused, and then the feed is closing.
bool Feed::open_consumer(const std::string& name, const Start& start) {
  const events::EventId if_new = begin_after(start);
  // A stored 0 would mean "the earliest held" and hide a later loss.
  const Consumers::Opened opened = context_.consumers.open(name, app_, std::max<events::EventId>(if_new, 1), this, now());
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

bool Feed::read_available() {
  Batch& batch = context_.feeds.batch();
  bool gone = false;
  for (int i = 0; i < kReadsAtOnce && !ended_ && !gone; ++i) {
    const net::Transfer transfer = stream_.try_read(batch.input);
    if (transfer.bytes > 0 && !take_input({batch.input.data(), transfer.bytes})) return false;
    if (transfer.error == asio::error::would_block) break;
    if (transfer.error) {
      half_closed_ = kind_ == FeedKind::lines && transfer.error == asio::error::eof && !hung_up();
      gone = true;
    }
  }
  if (stream_.is_tls() && !waiting_) blocked_ = false;  // TLS may have waited for what was read now
  if (gone && !half_closed_) return false;
  pump();
  return !ended_;
}

bool Feed::take_input(std::string_view bytes) {
  if (kind_ == FeedKind::sse) return true;  // nothing is expected
  if (kind_ == FeedKind::websocket) return take_frames(bytes);
  take_lines(bytes);
  return true;
}

void Feed::take_lines(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    if (line_.size() + part.size() > kMaxLine && !std::exchange(skipping_line_, true)) complain("the line is longer than 64 KiB");
    if (skipping_line_) {
      line_ = {};
    } else {
      line_.append(part);
    }
    if (end == std::string_view::npos) return;
    bytes.remove_prefix(end + 1);
    const std::string line = std::exchange(line_, {});
    if (!std::exchange(skipping_line_, false) && line.find_first_not_of(" \t\r") != std::string::npos) take_command(line);
  }
}

bool Feed::take_frames(std::string_view bytes) {
  const auto room = frames_->prepare(bytes.size());
  std::copy(bytes.begin(), bytes.end(), room.begin());
  frames_->commit(bytes.size());
  ws::Message message;
  ws::Violation violation;
  ws::FrameReader::Next next;
  while ((next = frames_->next(message, violation)) == ws::FrameReader::Next::message) {
    if (message.kind == ws::Kind::ping && control_.size() < kMaxControl) {
      control_ += ws::frame(ws::Role::server, ws::Kind::pong, message.data);
    } else if (message.kind == ws::Kind::close) {
      peer_closed_ = true;
      if (!closing_) {
        control_ += message.close_code == 1005 ? ws::frame(ws::Role::server, ws::Kind::close, {})
                                               : ws::close_frame(ws::Role::server, message.close_code, {});
      }
      closing_ = true;
      close_by_ = SteadyClock::now() + kCloseWithin;
    } else if (message.kind == ws::Kind::text) {
      message.valid_utf8 ? take_command(message.data) : close(1007, "a text frame is not UTF-8");
    } else if (message.kind == ws::Kind::binary) {
      complain("binary frames are not understood; acknowledge with {\"ack\": \"<id>\"}");
    } else if (message.kind == ws::Kind::too_large) {
      message.size > context_.http.max_frame.count ? close(1009, "the frame is larger than http.max_frame")
                                                   : complain("the frame is longer than 64 KiB");
    }
  }
  if (next == ws::FrameReader::Next::violation) close(violation.code, violation.reason);
  frames_->release();
  return true;
}

void Feed::take_command(std::string_view text) {
  if (closing_) return;
  const auto parsed = parse_command(text);
  if (const auto* fault = std::get_if<std::string>(&parsed)) return complain(*fault);
  const Command& command = std::get<Command>(parsed);
  if (kind_ == FeedKind::websocket && (command.repositions() || command.changes_filter())) {
    return complain("here only {\"ack\": \"<id>\"} is understood; the stream is shaped by its URL");
  }
  obey(command);
}

void Feed::obey(const Command& command) {
  if (command.changes_filter()) {
    config::Match changed = match_;
    command.apply_to(changed);
    auto filter = events::Filter::compile(changed);
    if (const auto* fault = std::get_if<std::string>(&filter)) return complain(*fault);
    match_ = std::move(changed);
    filter_ = std::get<events::Filter>(std::move(filter));
  }
  if (command.repositions() && started_) {
    reposition(command);
  } else if (command.repositions()) {
    if (command.consumer) first_.consumer = *command.consumer;
    if (command.start.kind != Start::Kind::unset) first_.start = command.start;
  }
  if (!command.ack || closing_) return;
  if (!started_ && !first_.consumer.empty()) {
    first_ack_ = *command.ack;
    return;
  }
  if (!entry_) return complain("only a durable consumer acknowledges: name it first, with {\"consumer\": \"name\"} or ?consumer=name");
  context_.consumers.ack(*entry_, *command.ack, now());
}

// Section 5: a later `consumer` or `after` repositions the stream, said in one line.
void Feed::reposition(const Command& command) {
  std::string said = R"({"repositioned":{)";
  if (command.consumer) {
    from_now_ = context_.hub.last_id();
    if (!open_consumer(*command.consumer, command.start)) return;
    said += R"("consumer":")" + *command.consumer + R"(",)";
  } else {
    cursor_->reposition(resolve(command.start, context_.hub));
  }
  const std::string after = command.consumer ? std::to_string(entry_->record.cursor) : start_text(command.start);
  say(said + R"("after":")" + after + R"("}})");
}

void Feed::say(std::string_view json_line) {
  if (control_.size() + json_line.size() > kMaxControl) return;  // it sends and does not read
  if (kind_ == FeedKind::websocket) {
    control_ += ws::frame(ws::Role::server, ws::Kind::text, json_line);
  } else {
    control_.append(json_line).append("\n");
  }
}

void Feed::complain(std::string_view message) { say(error_line(message)); }

void Feed::leave_name(std::uint16_t code, std::string_view reason) {
  entry_ = nullptr;
  close(code, reason);
}

void Feed::close(std::uint16_t code, std::string_view reason) {
  if (closing_ || ended_) return;
  if (kind_ == FeedKind::websocket) {
    control_ += ws::close_frame(ws::Role::server, code, reason);
  } else if (kind_ == FeedKind::lines) {
    if (code != kGoingAway) complain(reason);  // on a drain the end of the stream says it all; readers expect envelopes
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
  cursor_.reset();
  stream_.reset();
}

void Feed::tick(SteadyTime at) {
  if (ended_ || !started_) return;
  if (closing_) {
    if (at <= close_by_) return;
    ended_ = true;
    stream_.reset();
    return;
  }
  if (at < next_beat_) return;
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
