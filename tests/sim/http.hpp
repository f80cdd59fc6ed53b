#pragma once
// The little HTTP that the vendor's REST, the WebSocket handshake and the control API need (parsed by
// Boost.Beast).

#include "tests/sim/stream.hpp"
#include "tests/sim/types.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>

namespace bridge55::sim {

using Fields = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;
  std::string target;
  std::string path;                               ///< decoded, without the query
  std::multimap<std::string, std::string> query;  ///< decoded
  std::map<std::string, std::string> headers;     ///< names in lower case
  Fields fields;                                  ///< all of them, as they came
  std::string body;
  bool keep_alive = true;
  TimePoint arrived{};                  ///< when the head had been read
  std::uint64_t n = 0;                  ///< in the request log; 0 = not logged
  std::optional<std::uint64_t> length;  ///< as announced by Content-Length

  /// Empty if absent.
  std::string header(const std::string& lower_name) const;
  std::optional<std::string> parameter(const std::string& name) const;
};

struct AmqpOrder;

struct HttpResponse {
  unsigned status = 200;
  std::string body;
  Fields headers;
  bool lost = false;                                  ///< never sent: the connection is reset in its place
  std::shared_ptr<const AmqpOrder> stream = nullptr;  ///< the answer is this stream instead of a body
};

/// Reads one request in steps; `buffer` carries what came after the last one and outlives the reader.
class RequestReader {
 public:
  RequestReader(Stream& stream, std::string& buffer);
  ~RequestReader();
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;

  /// False at the end of the connection or where the bytes are no request; `is_malformed()` tells which.
  boost::asio::awaitable<bool> read_head(HttpRequest& request);
  /// The whole body. False where the connection ends before it does.
  boost::asio::awaitable<bool> read_body(std::string& body);
  /// The next part of the body, empty at its end. False where the connection ends before it does.
  boost::asio::awaitable<bool> read_piece(std::string& piece);
  bool is_malformed() const { return malformed_; }

 private:
  struct Parser;
  boost::asio::awaitable<bool> more();
  bool parse();

  Stream& stream_;
  std::string& buffer_;
  std::unique_ptr<Parser> parser_;
  bool malformed_ = false;
};

/// Status line and header fields, the empty line included. `length` is what Content-Length says, if anything.
std::string head_bytes(const HttpResponse& response, std::optional<std::uint64_t> length, bool keep_alive);
/// The whole response as bytes, Content-Length included where the status may have a body.
std::string to_bytes(const HttpResponse& response, bool keep_alive);

/// The 101 answer.
std::string switching_protocols(const std::string& client_key);

/// A JSON answer.
HttpResponse json_response(unsigned status, std::string body);

/// The words that belong to a status.
std::string reason_of(unsigned status);
std::string percent_decode(std::string_view text);

}  // namespace bridge55::sim
