// The client's side of the WebSocket upgrade (RFC 6455, 4.1). The request is text that we build from checked
// parts; the answer goes through Beast's parser, fed by hand, behind a limit and an exception boundary of our
// own. I/O thread only.
#pragma once

#include "daemon/net/stream.hpp"
#include "daemon/net/ws_frames.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bridge55::net {

struct Upgrade {
  std::string host;    // the Host header: name, and port where it is not the scheme's own
  std::string target;  // path and query, from `/`
  std::vector<std::pair<std::string, std::string>> headers;  // beyond those of the upgrade itself
};

// Empty on success, else what cannot stand in a request (a line break in a header, say).
std::string_view check(const Upgrade& upgrade);
std::string upgrade_request(const Upgrade& upgrade, std::string_view key);

struct UpgradeAnswer {
  error_code error;         // of the connection; none where `status` tells what went wrong
  unsigned status = 0;      // of the HTTP answer; 101 with an empty `trouble` is an open WebSocket
  std::string trouble;      // in words; empty: upgraded
  std::string body;         // of a refusal, its first bytes
  std::string retry_after;  // header of a refusal
  std::string subprotocol;
  bool upgraded() const { return !error && status == 101 && trouble.empty(); }
};

// Judges an answer's head (up to and with the empty line). Pure.
UpgradeAnswer judge(std::string_view head, std::string_view key);

// Sends the request, reads the answer; frames that came with it are in `reader` already.
awaitable<UpgradeAnswer> upgrade(Stream& stream, Upgrade request, ws::FrameReader& reader,
                                 SteadyTime deadline);

}  // namespace bridge55::net
