// TCP's own search for a peer that vanished from an idle connection: probes after 30 s, three of them 10 s
// apart (tcp(7), TCP_KEEPIDLE). A peer that is there and does not read answers them. For connected sockets;
// on others it does nothing. Any thread.
#pragma once

namespace bridge55::net {

void keep_alive(int descriptor);

}  // namespace bridge55::net
