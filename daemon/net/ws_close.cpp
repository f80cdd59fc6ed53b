#include "daemon/net/ws_close.hpp"

#include <chrono>

namespace bridge55::net {
namespace {

constexpr auto kCloseWithin = std::chrono::seconds(1);
constexpr std::size_t kReadAtOnce = 4096;

}  // namespace

awaitable<void> hear_close(Stream& stream, ws::FrameReader& reader, const bool& given_up) {
  const SteadyTime until = SteadyClock::now() + kCloseWithin;
  for (;;) {
    ws::Message message;
    ws::Violation violation;
    auto next = reader.next(message, violation);
    while (next == ws::FrameReader::Next::message && message.kind != ws::Kind::close)
      next = reader.next(message, violation);
    if (next != ws::FrameReader::Next::need_more) co_return;
    const std::span<char> room = reader.prepare(kReadAtOnce);
    const Transfer transfer = co_await stream.read_some(room, until);
    if (transfer.error || given_up) co_return;
    reader.commit(transfer.bytes);
  }
}

}  // namespace bridge55::net
