#include "daemon/events/json.hpp"
#include "daemon/gateway/desk_trade.hpp"

#include <algorithm>
#include <utility>

namespace bridge55::gateway {
namespace {

using events::Fate;
using local::Refusal;
using Verdict = Settlement::Verdict;

constexpr std::string_view kNeverHadIt =
    "bridge55: not placed: upstream does not know this order after its time";
constexpr std::string_view kNeverLeft =
    "bridge55: not sent; it may be placed again with the same requestUuid";
constexpr std::string_view kRefusedWhole = "bridge55: upstream refused the request";

constexpr std::string_view kLookedUp =
    "upstream's word on some orders is missing; they are being looked up, GET /trades/{requestUuid} tells "
    "how "
    "it ends; do not place them again under another requestUuid before";
constexpr std::string_view kUnread =
    "some orders were seen before and are not sent again, but the record of what became of them could not be "
    "read; repeat the request or ask GET /trades/{requestUuid}";
constexpr std::string_view kGivenUp =
    "upstream's word on some orders is missing, and they are not looked up any more: only upstream can tell";

std::vector<std::string> uuids(const std::vector<Settlement::OrderState>& orders, Fate fate) {
  std::vector<std::string> out;
  for (const auto& order : orders) {
    if (order.fate == fate) out.push_back(order.uuid);
  }
  return out;
}

void mark_settled(std::vector<std::pair<std::string, std::string>>& headers, bool settled) {
  if (settled) headers.emplace_back("X-Bridge-Settled", "true");
}

Refusal unknown(const Known& known) {
  Refusal refusal{504, "OUTCOME_UNKNOWN", "", {}, {}};
  refusal.message = known.unread ? kUnread : known.given_up ? kGivenUp : kLookedUp;
  refusal.detail_json.emplace_back("placed", quoted_list(uuids(known.orders, Fate::placed)));
  refusal.detail_json.emplace_back("unknown", quoted_list(uuids(known.orders, Fate::open)));
  for (const auto& [name, fate] :
       {std::pair("declined", Fate::declined), std::pair("not_placed", Fate::unplaced)}) {
    const auto some = uuids(known.orders, fate);
    if (!some.empty()) refusal.detail_json.emplace_back(name, quoted_list(some));
  }
  refusal.sent = known.reached ? "yes" : "maybe";
  return refusal;
}

Refusal not_placed(const Known& known) {
  Refusal refusal{502, "BAD_GATEWAY", "", {}, {}};
  refusal.message = "upstream gave no answer and, looked up after the orders' time, does not have them";
  refusal.detail_json.emplace_back("not_placed", quoted_list(uuids(known.orders, Fate::unplaced)));
  const auto unsent = uuids(known.orders, Fate::unsent);
  if (!unsent.empty()) refusal.detail_json.emplace_back("not_sent", quoted_list(unsent));
  refusal.sent = known.reached ? "yes" : "maybe";
  mark_settled(refusal.headers, known.settled);
  return refusal;
}

std::string_view why_not(Fate fate) {
  return fate == Fate::declined ? kRefusedWhole : fate == Fate::unsent ? kNeverLeft : kNeverHadIt;
}

unsigned status_of(std::string_view code) {
  if (code == "RATE_LIMITED" || code == "QUEUE_TIMEOUT") return 429;
  if (code == "TIMEOUT") return 504;
  if (code == "UNREACHABLE" || code == "BAD_GATEWAY") return 502;
  if (code == "TOO_LARGE") return 413;
  if (code == "FORBIDDEN") return 403;
  if (code == "BAD_REQUEST") return 400;
  return 503;
}

}  // namespace

Refusal refusal_of(const Reply& reply) {
  Refusal refusal;
  refusal.code = reply.code.empty() ? "TIMEOUT" : reply.code;
  refusal.status = status_of(refusal.code);
  refusal.message =
      reply.message.empty() ? "the placement did not leave in time; nothing was sent" : reply.message;
  if (reply.retry_after) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(*reply.retry_after);
    refusal.headers.emplace_back("Retry-After", std::to_string(seconds.count()));
  }
  if (!reply.answered())
    refusal.headers.insert(refusal.headers.end(), reply.headers.begin(), reply.headers.end());
  return refusal;
}

DeskAnswer compose_answer(const Known& known, const Dialect& dialect) {
  DeskAnswer answer;
  const auto any = [&](auto&& test) { return std::any_of(known.orders.begin(), known.orders.end(), test); };
  if (any([](const auto& order) { return order.fate == Fate::open; })) {
    answer.refusal = unknown(known);
    return answer;
  }
  // Orders that upstream spoke of are told in its shape; where it never did, the error is ours.
  if (!any([](const auto& order) { return !order.entry.empty() || order.fate == Fate::declined; })) {
    answer.refusal = not_placed(known);
    return answer;
  }
  std::vector<std::string> accepted, declined;
  for (const auto& order : known.orders) {
    if (order.fate == Fate::placed) {
      accepted.push_back(order.entry);
    } else if (!order.entry.empty()) {
      declined.push_back(order.entry);
    } else {
      declined.push_back(dialect.declined_entry(order.uuid, why_not(order.fate)));
    }
  }
  answer.status = 200;
  answer.headers.emplace_back("Content-Type", "application/json");
  mark_settled(answer.headers, known.settled);
  answer.body = dialect.compose(accepted, declined);
  return answer;
}

DeskAnswer answer_of(const Trade& trade, const Dialect& dialect) {
  const Settlement& settlement = trade.settlement;
  const Verdict verdict = settlement.verdict();
  DeskAnswer answer;
  if (verdict == Verdict::undisturbed || verdict == Verdict::upstream_error) {
    answer.status = settlement.said().status;
    answer.headers = settlement.said().headers;
    answer.body = settlement.said().body;
    mark_settled(answer.headers, verdict == Verdict::upstream_error);
  } else if (verdict == Verdict::unsent) {
    answer.refusal = refusal_of(trade.refused);
  } else {
    answer = compose_answer(Known{settlement.orders(), settlement.settled(), settlement.reached()}, dialect);
  }
  answer.attempts = settlement.sends();
  answer.queued = trade.queued;
  answer.upstream = trade.upstream_time;
  return answer;
}

bool is_own_answer(const events::TradeRecord& record) {
  if (record.status != 502 && record.status != 504) return false;
  if (!json::validate_copy(record.answer).empty()) return false;
  return !json::find(record.answer, "detail.unknown").empty() ||
         !json::find(record.answer, "detail.not_placed").empty();
}

}  // namespace bridge55::gateway
