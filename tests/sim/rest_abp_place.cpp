// POST /place-orders. Vendor docs: "Place betting orders", ABP Error Handling ("Order decline reasons", 409).
#include "tests/sim/abp_desk.hpp"
#include "tests/sim/abp_order_body.hpp"
#include "tests/sim/rest_abp.hpp"

#include <algorithm>
#include <set>

namespace bridge55::sim {
namespace {

std::string accepted_json(const Placed& placed) {
  std::string text;
  ObjectWriter order(text);
  order.number("orderId", placed.order.id)
      .text("requestUuid", placed.order.uuid)
      .text("orderStatus", placed.order.status)
      .text("fixtureId", placed.order.fixture)
      .number("outcomeId", placed.order.outcome)
      .cents("orderStake", placed.order.stake)
      .cents("orderPrice", placed.order.price)
      .cents("filledStake", placed.order.filled);
  std::string bets;
  for (const AbpBet& bet : placed.bets) {
    bets += bets.empty() ? "" : ",";
    ObjectWriter(bets)
        .number("betId", bet.id)
        .text("bookmaker", bet.bookmaker)
        .cents("placedPrice", bet.price)
        .cents("placedStake", bet.stake)
        .text("betStatus", bet.status)
        .end();
  }
  order.raw("bets", "[" + bets + "]").end();
  return text;
}

std::string declined_json(const AbpOrder& order, const std::string& reason) {
  std::string text;
  ObjectWriter(text)
      .text("requestUuid", order.uuid)
      .text("fixtureId", order.fixture)
      .number("outcomeId", order.outcome)
      .text("declineReason", reason)
      .end();
  return text;
}

class Answer {
 public:
  void accept(const Placed& placed) { add(accepted_, accepted_json(placed)); }
  void decline(const AbpOrder& order, const std::string& reason) {
    add(declined_, declined_json(order, reason));
  }
  void decline_duplicate(const AbpOrder& order) {
    decline(order, "Duplicate requestUuid " + order.uuid + " is already in-flight");
  }
  HttpResponse response() const {
    const auto* status = declined_.empty() ? "accepted" : accepted_.empty() ? "declined" : "partial-success";
    return json_response(200, R"({"status":")" + std::string(status) + R"(","acceptedOrders":[)" + accepted_ +
                                  R"(],"declinedOrders":[)" + declined_ + "]}");
  }

 private:
  static void add(std::string& list, const std::string& one) { list += (list.empty() ? "" : ",") + one; }
  std::string accepted_, declined_;
};

HttpResponse conflict() {
  return json_response(409, R"({"detail": "Duplicate request - requestUuid already in-flight"})");
}

/// Which orders of the batch are duplicates: of earlier ones, or of one before them in the batch.
std::vector<bool> find_duplicates(const Call& call, const std::vector<AbpOrder>& orders) {
  std::vector<bool> duplicate;
  std::set<std::string> seen;
  const auto now = Clock::now();
  for (const auto& order : orders) {
    const bool taken = call.vendor.placements.is_taken(call.client(), order.uuid, now);
    duplicate.push_back(taken || !seen.insert(order.uuid).second);
  }
  return duplicate;
}

/// The duplicate_placement fault: answers as if all were duplicates, having placed them or not.
HttpResponse pretend_duplicates(const Call& call, const std::vector<AbpOrder>& orders,
                                const std::vector<bool>& duplicate) {
  const RestFault& fault = *call.plan.answer;
  Answer answer;
  for (std::size_t i = 0; i < orders.size(); ++i) {
    if (fault.processed && !duplicate[i] && decline_reason(orders[i]).empty()) {
      call.vendor.placements.take(call.client(), orders[i].uuid, Clock::now());
      process_order(call.vendor, orders[i]);
    }
    answer.decline_duplicate(orders[i]);
  }
  return fault.text == "declined" ? answer.response() : conflict();
}

/// The late fault: the answer fails at once, the orders appear afterwards, as from an overloaded writer.
HttpResponse place_late(const Call& call, const std::vector<AbpOrder>& orders,
                        const std::vector<bool>& duplicate) {
  const RestFault& fault = *call.plan.answer;
  std::vector<AbpOrder> late;
  for (std::size_t i = 0; i < orders.size(); ++i) {
    if (duplicate[i] || !decline_reason(orders[i]).empty()) continue;
    if (fault.processed) call.vendor.placements.take(call.client(), orders[i].uuid, Clock::now());
    late.push_back(orders[i]);
  }
  call.vendor.later(fault.delay, [&vendor = call.vendor, late] {
    for (const auto& order : late) {
      vendor.placements.take(order.client, order.uuid, Clock::now());
      process_order(vendor, order);
    }
  });
  HttpResponse response{fault.status, fault.body, {{"Content-Type", fault.content_type}}};
  response.lost = fault.text == "lost";
  return response;
}

}  // namespace

HttpResponse place_orders(const Call& call) {
  const auto life = call.vendor.options.times.order_life.count();
  OrderBody body = read_orders(call.request, wall_ms(), life);
  if (body.refusal) return *body.refusal;
  for (auto& order : body.orders)
    order.client = call.client();
  const auto duplicate = find_duplicates(call, body.orders);
  if (call.plan.answers("duplicate_placement")) return pretend_duplicates(call, body.orders, duplicate);
  if (call.plan.answers("late")) return place_late(call, body.orders, duplicate);
  const auto duplicates = std::count(duplicate.begin(), duplicate.end(), true);
  const auto& told = call.vendor.options.placing.duplicates;
  const bool all = duplicates == std::ssize(body.orders);
  if (duplicates > 0 && told != "declined" && (all || told == "409")) return conflict();
  Answer answer;
  for (std::size_t i = 0; i < body.orders.size(); ++i) {
    const AbpOrder& order = body.orders[i];
    const auto reason = decline_reason(order);
    if (duplicate[i]) {
      answer.decline_duplicate(order);
    } else if (!reason.empty()) {
      answer.decline(order, reason);
    } else {
      call.vendor.placements.take(call.client(), order.uuid, Clock::now());
      answer.accept(process_order(call.vendor, order));
    }
  }
  return answer.response();
}

}  // namespace bridge55::sim
