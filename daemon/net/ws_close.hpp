// The end of a closing handshake that we began (RFC 6455, 7.1.1).
#pragma once

#include "daemon/net/stream.hpp"
#include "daemon/net/ws_frames.hpp"

namespace bridge55::net {

// Reads until the peer's close frame, its end, a violation or one second; `given_up` ends it too, at the
// latest when the stream is cancelled. What comes before the frame is dropped.
awaitable<void> hear_close(Stream& stream, ws::FrameReader& reader, const bool& given_up);

}  // namespace bridge55::net
