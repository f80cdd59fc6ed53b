#include "bridges/scraping/standing/refusals.hpp"

#include "daemon/gateway/limit_headers.hpp"

namespace bridge55::scraping::standing {

End end_of_refusal(const local::Refusal& refusal) {
  End end;
  if (refusal.status == 0) return end;  // cancelled
  end.cause =
      refusal.code == "QUEUE_TIMEOUT" || refusal.code == "RATE_LIMITED" ? Cause::limited : Cause::unreachable;
  end.reason = refusal.message;
  for (const auto& [name, value] : refusal.headers) {
    if (name != "Retry-After") continue;
    if (const auto wait = gateway::parse_retry_after(value, wall_now())) end.retry_after = *wait;
  }
  return end;
}

std::chrono::milliseconds asked_delay(const net::ResponseHead& head) {
  const std::string_view value = head.get("retry-after");
  if (value.empty()) return {};
  return gateway::parse_retry_after(value, wall_now()).value_or(std::chrono::milliseconds(0));
}

}  // namespace bridge55::scraping::standing
