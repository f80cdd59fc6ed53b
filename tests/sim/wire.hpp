#pragma once
// How an answer goes over the wire: whole, or broken in one of the ways that a test asked for.

#include "tests/sim/http.hpp"
#include "tests/sim/rest_faults.hpp"

#include <boost/asio/awaitable.hpp>

namespace bridge55::sim {

/// Writes the answer as the fault says, plainly without one. Whether the connection may carry another
/// request.
boost::asio::awaitable<bool> write_answer(Stream& stream, const HttpRequest& request,
                                          const HttpResponse& response,
                                          const std::optional<RestFault>& fault);

/// Ends the connection: FIN or RST.
boost::asio::awaitable<void> end_badly(Stream& stream, bool fin);

/// One chunk of a chunked body, its extension included (RFC 9112 section 7.1).
std::string chunk_bytes(std::string_view data, std::string_view extension = {});

boost::asio::awaitable<void> pause_for(milliseconds time);

}  // namespace bridge55::sim
