// Writing: what a feed does between being woken and the socket being full. No allocation an event, no
// coroutine.
#include "daemon/base/metrics.hpp"
#include "daemon/events/message_id.hpp"
#include "daemon/local/context.hpp"
#include "daemon/local/feed.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace bridge55::local {
namespace {

namespace asio = boost::asio;

constexpr int kWritesAtOnce = 4;  // of at most a megabyte; then other sockets get their turn
constexpr std::size_t kSealedBytes = 64u << 10;

// Line breaks are valid between the tokens of JSON and would end a line early (contract, section 3: they
// become spaces).
std::string one_line(std::string_view text) {
  std::string line(text);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c == '\r' || c == '\n'; }, ' ');
  return line += '\n';
}

}  // namespace

void Feed::add_form(Batch& batch, const events::Event& event, std::uint32_t index) const {
  switch (kind_) {
    case FeedKind::sse:
      batch.add(event.sse_head(), index);
      batch.add(event.sse_body(), index);
      break;
    case FeedKind::websocket:
      batch.add(event.ws_frame(), index);
      break;
    case FeedKind::lines:
      batch.add(event.line(), index);
      break;
  }
}

// Only events that everybody gets at once can wait: what comes from the journal comes in pieces as it is.
void Feed::woken() {
  if (!takes_turns_ || blocked_ || cursor_->behind() ||
      !context_.feeds.leaves_for_later(number_, context_.hub.published()))
    return pump();
  if (!std::exchange(held_, true)) held_at_ = context_.feeds.round_began();
}

void Feed::pump_held() {
  if (held_) pump();
}

void Feed::pump() {
  held_ = false;
  if (!started_ || blocked_ || ended_) return;
  use_chunk();
  for (int i = 0; i < kWritesAtOnce; ++i) {
    const bool more = stream_.is_tls() ? write_sealed() : write_batch();
    if (!more || blocked_ || ended_) return;
  }
  pump_later();
}

void Feed::pump_later() {
  if (std::exchange(pump_posted_, true)) return;
  asio::post(context_.io, [self = shared_from_this()] {
    self->pump_posted_ = false;
    self->pump();
  });
}

// One write of all that is here; false where there is nothing.
bool Feed::write_batch() {
  Batch& batch = context_.feeds.batch();
  gather();
  if (batch.count == 0) {
    if (batch.seen > 0) pass(batch.seen);
    if (closing_ && (kind_ != FeedKind::websocket || peer_closed_)) end();
    return batch.seen > 0;
  }
  const net::Transfer transfer = stream_.try_write({batch.pieces.data(), batch.count});
  if (transfer.error && transfer.error != asio::error::would_block) {
    if (tongue_) tongue_->taken(0);  // every round that offers ends with it
    end();
  } else if (transfer.bytes == batch.bytes) {
    all_written();
  } else {
    partly_written(transfer.bytes);
    block(true);
  }
  return true;
}

// TLS seals records as it takes bytes: what was offered once must be offered again unchanged, so it is copied
// and kept.
bool Feed::write_sealed() {
  Batch& batch = context_.feeds.batch();
  if (rest_.bytes.empty()) {
    gather();
    rest_.owned.clear();
    for (std::size_t i = 0; i < batch.count; ++i) {
      rest_.owned.append(static_cast<const char*>(batch.pieces[i].iov_base), batch.pieces[i].iov_len);
    }
    const bool any = batch.seen > 0 || batch.count > 0;
    all_written();
    if (rest_.owned.empty()) {
      if (closing_ && (kind_ != FeedKind::websocket || peer_closed_)) end();
      return any;
    }
    rest_.bytes = rest_.owned;
  }
  const iovec piece{const_cast<char*>(rest_.bytes.data()), rest_.bytes.size()};
  const net::Transfer transfer = stream_.try_write({&piece, 1});
  rest_.bytes.remove_prefix(transfer.bytes);
  if (rest_.bytes.empty()) {
    rest_.owned = {};
  } else if (transfer.error && transfer.error != asio::error::would_block) {
    end();
  } else if (transfer.error) {
    block(transfer.wants_write);
  }
  return true;
}

void Feed::gather() {
  Batch& batch = context_.feeds.batch();
  batch.clear();
  if (!closing_ && cursor_ && !(tongue_ && tongue_->holds())) {
    batch.events = cursor_->next(Batch::kMaxPieces);
    while (cursor_->has_loss()) {
      say_loss(cursor_->take_loss());
      batch.events = cursor_->next(Batch::kMaxPieces);
    }
  }
  if (!rest_.bytes.empty()) batch.add(rest_.bytes, Batch::kNoEvent);
  if (!control_.empty()) batch.add(control_, Batch::kNoEvent);
  gather_events(stream_.is_tls() ? kSealedBytes : Batch::kMaxBytes);
}

void Feed::gather_events(std::size_t max_bytes) {
  Batch& batch = context_.feeds.batch();
  if (tongue_) return gather_words(max_bytes);
  const bool plain = filter_.everything() && !named_ && !(routes_ && routes_->routes);
  for (const events::EventPtr& event : batch.events) {
    if (batch.full() || batch.bytes >= max_bytes) return;
    if (plain) {
      add_form(batch, *event, static_cast<std::uint32_t>(batch.seen));
    } else if (filter_.matches(*event) && !add_event(*event, static_cast<std::uint32_t>(batch.seen))) {
      return;
    }
    ++batch.seen;
  }
}

// False where the batch has no room for all of the event's pieces.
bool Feed::add_event(const events::Event& event, std::uint32_t index) {
  Batch& batch = context_.feeds.batch();
  if (routes_ && routes_->routes) return add_routed(event, index);
  if (named_) {
    std::string& line = batch.built.emplace_back("event: ");
    line.append(event.source()).append(".").append(event.channel()).append(".").append(event.name());
    line = one_line(line);
    batch.add(line, index);
  }
  add_form(batch, event, index);
  return true;
}

bool Feed::add_routed(const events::Event& event, std::uint32_t index) {
  Batch& batch = context_.feeds.batch();
  batch.targets.clear();
  routes_->routes->targets(event, batch.targets);
  if (batch.targets.size() > Batch::kMaxPieces - batch.count) {
    if (batch.count > 2) return false;
    batch.targets.resize(Batch::kMaxPieces -
                         batch.count);  // a thousand routes to one feed: no operator means that
  }
  for (const events::Target& target : batch.targets) {
    if (target.body == config::BodyMode::envelope) {
      batch.add(event.line(), index);
    } else {
      const bool raw = target.body == config::BodyMode::raw && !event.raw().empty();
      batch.add(batch.built.emplace_back(one_line(raw ? event.raw() : event.payload())), index);
    }
  }
  return true;
}

// Section 5: an `after` older than retention, or a consumer that retention overtook, is told what is gone and
// goes on with what is held.
void Feed::say_loss(const events::Cursor::Loss& loss) {
  if (tongue_) {
    sent(loss.gone_through);
    return tongue_->lost(loss);
  }
  const std::string oldest = std::to_string(loss.oldest);
  const std::string payload = R"({"reason":"retention","gone_through":")" +
                              std::to_string(loss.gone_through) + R"(","oldest":")" + oldest +
                              R"(","message":"events up to gone_through were deleted; the oldest held is )" +
                              oldest + R"("})";
  events::Facts facts;
  facts.source = "bridge";
  facts.channel = "gap";
  facts.name = "UNRECOVERED";
  facts.payload = payload;
  const WallMicros at = wall_now();
  events::MessageIds identity(1);
  const events::EventPtr said =
      events::Event::make({loss.gone_through, at, identity.accept(facts, loss.gone_through, at).id}, facts);
  sent(loss.gone_through);  // it can be acknowledged like any other
  if (named_) control_ += "event: bridge.gap.UNRECOVERED\n";
  control_ += kind_ == FeedKind::sse         ? std::string(said->sse_head()).append(said->sse_body())
              : kind_ == FeedKind::websocket ? std::string(said->ws_frame())
                                             : std::string(said->line());
}

void Feed::sent(events::EventId id) {
  if (entry_) entry_->sent_through = std::max(entry_->sent_through, id);
}

void Feed::all_written() {
  Batch& batch = context_.feeds.batch();
  if (!stream_.is_tls()) drop_rest();
  control_.clear();
  if (batch.seen == 0) return;
  const std::uint32_t last = batch.count > 0 ? batch.event_of[batch.count - 1] : Batch::kNoEvent;
  if (last != Batch::kNoEvent) {
    const events::Event& event = *batch.events[last];
    sent(event.id());
    // One sample a write: the newest event of it.
    context_.feeds.latency(kind_).record_micros(wall_now() - event.received_at());
  }
  pass(batch.seen);
}

void Feed::partly_written(std::size_t bytes) {
  Batch& batch = context_.feeds.batch();
  std::size_t piece = 0;
  while (bytes >= batch.pieces[piece].iov_len)
    bytes -= batch.pieces[piece++].iov_len;
  if (batch.event_of[piece] == Batch::kNoEvent) {
    const bool in_control = batch.pieces[piece].iov_base == control_.data();
    in_control ? keep_control(bytes) : rest_.bytes.remove_prefix(bytes);
    if (tongue_) tongue_->taken(0);
    return;
  }
  const std::uint32_t event = batch.event_of[piece];
  const bool begun = bytes > 0 || (piece > 0 && batch.event_of[piece - 1] == event);
  drop_rest();
  control_.clear();
  std::size_t before = piece;
  while (before > 0 && batch.event_of[before - 1] == event)
    --before;
  if (before > 0 && batch.event_of[before - 1] != Batch::kNoEvent)
    sent(batch.events[batch.event_of[before - 1]]->id());
  if (begun) keep_rest(piece, bytes);
  pass(begun ? event + 1 : event);
}

// The first `count` events of the batch are dealt with; a tongue is offered the others again.
void Feed::pass(std::size_t count) {
  if (tongue_)
    tongue_->taken(count > 0 ? context_.feeds.batch().events[count - 1]->id() : events::EventId{0});
  cursor_->advance(count);
}

// The socket took all before the control bytes and `taken` of them.
void Feed::keep_control(std::size_t taken) {
  drop_rest();
  if (taken == 0) return;  // not begun: an event may still go first
  rest_.owned = control_.substr(taken);
  rest_.bytes = rest_.owned;
  control_.clear();
}

// Of all its events a blocked feed holds only the one that the socket took in part.
void Feed::keep_rest(std::size_t piece, std::size_t offset) {
  Batch& batch = context_.feeds.batch();
  const std::uint32_t index = batch.event_of[piece];
  const auto bytes = [&](std::size_t i) {
    return std::string_view(static_cast<const char*>(batch.pieces[i].iov_base), batch.pieces[i].iov_len);
  };
  rest_.completes = batch.events[index]->id();
  const bool last_piece = piece + 1 == batch.count || batch.event_of[piece + 1] != index;
  if (last_piece && batch.built.empty() && !tongue_) {
    rest_.event = batch.events[index];
    rest_.bytes = bytes(piece).substr(offset);
    return;
  }
  for (std::size_t i = piece; i < batch.count && batch.event_of[i] == index; ++i)
    rest_.owned += bytes(i);
  rest_.owned.erase(0, offset);
  rest_.bytes = rest_.owned;
}

void Feed::drop_rest() {
  if (rest_.completes != 0) sent(rest_.completes);
  rest_ = {};
}

void Feed::let_chunk_go() {
  if (keeps_chunk_ && cursor_) cursor_->release();
  use_chunk();
}

void Feed::use_chunk() {
  if (std::exchange(keeps_chunk_, false)) context_.feeds.chunk_let_go();
}

void Feed::block(bool until_writable) {
  blocked_ = true;
  // A few may keep the piece of the journal that they were reading, so that catching up does not read it
  // again and again.
  keeps_chunk_ = cursor_ && cursor_->behind() && context_.feeds.may_keep_chunk();
  if (!keeps_chunk_ && cursor_) cursor_->release();
  // Else TLS waits for bytes of the peer, and reading resumes the writing.
  if (until_writable && !std::exchange(waiting_, true))
    asio::co_spawn(context_.io, resume_when_writable(shared_from_this()), asio::detached);
}

}  // namespace bridge55::local
