#pragma once
// The little HTTP that the vendor's REST, the WebSocket handshake and the control API need (parsed by
// Boost.Beast).

#include "tests/sim/stream.hpp"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>

namespace bridge55::sim {

struct HttpRequest {
  std::string method;
  std::string target;
  std::string path;                               ///< decoded, without the query
  std::multimap<std::string, std::string> query;  ///< decoded
  std::map<std::string, std::string> headers;     ///< names in lower case
  std::string body;
  bool keep_alive = true;

  /// Empty if absent.
  std::string header(const std::string& lower_name) const;
  std::optional<std::string> parameter(const std::string& name) const;
};

struct HttpResponse {
  unsigned status = 200;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

/// Reads one request; `buffer` carries what came after the last one. Nothing at the end of the connection or
/// where the bytes are no request.
boost::asio::awaitable<std::optional<HttpRequest>> read_request(Stream& stream, std::string& buffer);

/// The whole response as bytes, Content-Length included.
std::string to_bytes(const HttpResponse& response, bool keep_alive);

/// The 101 answer.
std::string switching_protocols(const std::string& client_key);

/// A JSON answer.
HttpResponse json_response(unsigned status, std::string body);

std::string percent_decode(std::string_view text);

}  // namespace bridge55::sim
