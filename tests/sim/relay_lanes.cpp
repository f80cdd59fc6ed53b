// The frames of a relay, from `connected` to the end of both transports.
#include "tests/sim/frames.hpp"
#include "tests/sim/relay.hpp"

#include <cstring>

#include <boost/asio/co_spawn.hpp>

namespace bridge55::sim {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kSmall = 16384;   // an idle relay holds this twice
constexpr std::size_t kLarge = 131072;  // a busy one this, and nothing more however large a frame is

}  // namespace

void Relay::spawn(asio::awaitable<void> job) {
  ++jobs_;
  asio::co_spawn(changed_.get_executor(), std::move(job), [this](const std::exception_ptr&) {
    --jobs_;
    wake();
  });
}

/// Writes whole frames of our own between those that pass.
asio::awaitable<void> Relay::say(Side& side, std::string bytes) {
  while (side.writing)
    co_await changed();
  if (!side.takes()) co_return;
  side.writing = true;
  const bool written = co_await side.stream->write(bytes);
  side.writing = false;
  if (!written) side.lost = true;
  wake();
}

/// A close frame of our own; where a frame is half out, only the end of the connection can follow.
asio::awaitable<void> Relay::close_side(Side& side, std::uint16_t code, const char* reason) {
  while (side.writing)
    co_await changed();
  if (!side.takes()) co_return;
  if (!side.whole) {
    side.lost = true;
    side.stream->cut();
    co_return;
  }
  std::string payload;
  std::string frame;
  append_close(payload, code, reason);
  frame = &side == &target_
              ? masked_frame(8, payload.substr(2), static_cast<std::uint32_t>(record_.id) * 2654435761U)
              : payload;
  *side.told = CloseSaid{code, reason};
  side.writing = true;
  const bool written = co_await side.stream->write(frame);
  side.writing = false;
  if (!written) side.lost = true;
  wake();
}

/// Room in the buffer, and bytes in it. False at the end of the source.
asio::awaitable<bool> Relay::fill(Lane& lane) {
  auto& buffer = lane.buffer;
  if (buffer.size() < kSmall) buffer.resize(kSmall);
  const std::size_t size = co_await lane.from.stream->read_some(
      asio::buffer(buffer.data() + lane.filled, buffer.size() - lane.filled));
  lane.filled += size;
  co_return size > 0;
}

/// Hands on the first bytes of the buffer; they vanish where the sink takes nothing more.
asio::awaitable<void> Relay::deliver(Lane& lane, std::size_t size) {
  Side& to = lane.to;
  const bool waits = &to == &target_;
  // Reading goes on meanwhile, so that a client that leaves is noticed.
  if (waits && !joined_ && early_.size() < kLarge) {
    early_.append(lane.buffer.data(), size);
    co_return;
  }
  while (to.writing || (waits && !joined_ && closing_since_ == TimePoint::max()))
    co_await changed();
  if (!to.takes()) co_return;
  if (lane.transit.closed()) *to.told = lane.transit.close();
  to.writing = true;
  const bool written = co_await to.stream->write(std::string_view(lane.buffer.data(), size));
  to.writing = false;
  to.whole = lane.transit.between_frames();
  if (!written) to.lost = true;
  if (jobs_ > 0) wake();
}

/// Until a close frame has passed, the source has ended, or it has broken the protocol.
asio::awaitable<void> Relay::forward(Lane& lane) {
  bool more = lane.filled > 0;
  if (!more) more = co_await fill(lane);
  while (more) {
    const auto messages = lane.transit.counts().bytes + lane.transit.counts().frames;
    const bool full = lane.filled == lane.buffer.size();
    const std::size_t size = lane.transit.pass(lane.buffer.data(), lane.filled);
    if (&lane == &down_ && lane.transit.counts().bytes + lane.transit.counts().frames != messages)
      last_message_ = Clock::now();
    if (lane.transit.closed() && &lane == &up_ && !joined_) begin_closing("client");
    if (size > 0) co_await deliver(lane, size);
    std::memmove(lane.buffer.data(), lane.buffer.data() + size, lane.filled - size);
    lane.filled -= size;
    if (lane.transit.closed() || lane.transit.error() != 0 || (&lane == &down_ && client_.lost)) break;
    if (full && lane.buffer.size() < kLarge) lane.buffer.resize(kLarge);
    more = co_await fill(lane);
  }
}

asio::awaitable<void> Relay::forward_up() {
  co_await forward(up_);
  const FrameTransit& transit = up_.transit;
  if (transit.closed()) {
    record_.from_client = transit.close();
    begin_closing("client");
    if (!joined_) {
      dial_.cancel();
      co_await close_side(client_, transit.close().code);
    }
    co_return;
  }
  begin_closing(transit.error() != 0 ? "protocol" : "client_lost");
  if (!joined_) dial_.cancel();
  if (transit.error() != 0) {
    co_await close_side(client_, transit.error(), "Protocol error");
  } else {
    client_.lost = true;
  }
  co_await close_side(target_, 1001);
}

asio::awaitable<void> Relay::forward_down() {
  co_await forward(down_);
  const FrameTransit& transit = down_.transit;
  if (transit.closed()) {
    record_.from_target = transit.close();
    begin_closing("target");
    co_return;
  }
  if (transit.error() != 0) {
    begin_closing("target_protocol");
    co_await close_side(target_, transit.error());
  } else {
    begin_closing(client_.lost ? "client_lost" : "target_lost");
    target_.lost = true;
    target_.stream->cut();
  }
  // A client that has said goodbye gets its own code back; else the target or its agent is gone.
  const std::uint16_t code = record_.from_client ? record_.from_client->code : 1011;
  co_await close_side(client_, code);
}

/// Reads until the other side has closed the connection; tick() bounds it.
asio::awaitable<void> Relay::drain(Stream& stream) {
  std::vector<char> nothing(4096);
  for (;;) {
    const std::size_t size = co_await stream.read_some(asio::buffer(nothing));
    if (size == 0) break;
  }
  stream.cut();
}

/// RFC 6455 section 7.1.1: the server ends TCP first. We are the client's server, and the target's client.
asio::awaitable<void> Relay::end_transports() {
  if (client_.stream->is_open()) {
    co_await client_.stream->finish();
    co_await drain(*client_.stream);
  }
  if (target_.stream != nullptr && target_.stream->is_open()) co_await drain(*target_.stream);
}

void Relay::crash() {
  if (!joined_) return;
  begin_closing("crash");
  target_.stream->reset();
}

void Relay::cut(const RelayCut& how) {
  begin_closing("cut");
  spawn(cut_client(how));
}

asio::awaitable<void> Relay::cut_client(RelayCut how) {
  if (how.mid_frame && client_.whole) {
    std::string frame;
    append_header(frame, Opcode::text, 1000);  // announces more than will ever come
    frame += "the rest of this frame";
    co_await say(client_, std::move(frame));
  }
  client_.lost = true;
  if (how.end == "reset") {
    client_.stream->reset();
  } else if (how.end == "fin") {
    co_await client_.stream->finish();
    client_.stream->cut();
  } else {
    client_.stream->cut();
  }
  wake();
}

}  // namespace bridge55::sim
