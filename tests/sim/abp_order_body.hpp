#pragma once
// The body of POST /place-orders, read as strictly as the vendor's own validation does ("Place betting
// orders").

#include "tests/sim/http.hpp"
#include "tests/sim/rows.hpp"

#include <optional>
#include <string>
#include <vector>

namespace bridge55::sim {

struct OrderBody {
  std::vector<AbpOrder> orders;         ///< without id, client and status
  std::optional<HttpResponse> refusal;  ///< 422 or 501
};

/// `now_ms` is the time on the wall; an order without expiresAt lives for `life_ms`.
OrderBody read_orders(const HttpRequest& request, std::int64_t now_ms, std::int64_t life_ms);

/// Why an order that is well-formed is declined; empty if it is not ("Order decline reasons").
std::string decline_reason(const AbpOrder& order);

/// ISO 8601 with or without a fraction and a zone (none = UTC) as ms since the epoch.
std::optional<std::int64_t> parse_iso_time(const std::string& text);

bool is_uuid(std::string_view text);
/// The one spelling that the vendor keeps: lower case.
std::string canonical_uuid(std::string text);

}  // namespace bridge55::sim
