// A tunnel and the two peers that it joins, on loopback or in socket pairs; the far side over TLS where asked
// for.
#pragma once

#include "daemon/local/tunnel.hpp"
#include "daemon/net/stream.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/io_context.hpp>

namespace bridge55::test {

enum class Wire { pair, tcp, tls };

// What the kernel keeps for a socket, either way; the system's own choice is megabytes.
enum class Buffers { as_they_are, small };
// How many bytes go into a connection that nobody reads: a side of such a tunnel, without the tunnel.
std::size_t kernel_holds(Wire wire, Buffers buffers);

// One peer: what it has heard, and what it still wants to say.
struct Peer {
  explicit Peer(net::Stream given) : stream(std::move(given)) {}

  net::Stream stream;
  std::string heard, to_say;
  std::size_t said = 0;   // of to_say
  net::error_code ended;  // how reading ended
  bool reads = true;

  void work();
  bool has_said_all() const { return said == to_say.size(); }
  void say(std::string_view bytes) { to_say.append(bytes); }
};

class Joined {
 public:
  explicit Joined(Wire wire, std::string from_app = {}, std::string from_far = {},
                  Buffers buffers = Buffers::as_they_are);
  ~Joined();

  // Runs the loop and both peers until it holds; false after 20 s.
  bool until(const std::function<bool()>& holds);
  void turns(int count);  // some rounds of the loop, for what must not happen

  boost::asio::io_context io{1};
  Peer app, far;
  std::weak_ptr<local::Tunnel> tunnel;
  std::optional<local::TunnelEnd> end;
};

}  // namespace bridge55::test
