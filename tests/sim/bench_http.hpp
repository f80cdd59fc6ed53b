#pragma once
// The /bench paths: bodies of any size, and a backend fast enough not to be what a benchmark measures.

#include "tests/sim/http.hpp"
#include "tests/sim/vendor.hpp"

#include <boost/asio/awaitable.hpp>

namespace bridge55::sim {

/// Whose keys and limits hold for a benchmark's request.
struct BenchSide {
  Vendor& vendor;
  Api api;
};

/// Takes complete `GET /bench/json` requests off the front of the buffer and appends their answers. False
/// where the first request is anything else, must be counted against a limit, or has no key.
bool take_bench_json(const BenchSide& side, std::string& buffer, std::string& answers);

/// Answers every other request below /bench/. Whether the connection may carry another one.
boost::asio::awaitable<bool> answer_bench(BenchSide side, Stream& stream, RequestReader& reader,
                                          const HttpRequest& request);

}  // namespace bridge55::sim
