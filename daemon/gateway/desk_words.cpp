#include "daemon/events/json.hpp"
#include "daemon/gateway/desk_trade.hpp"

#include <algorithm>

namespace bridge55::gateway {

using events::Fate;

std::string quoted_list(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) {
    if (out.size() > 1) out += ',';
    json::append_quoted(out, text);
  }
  return out += ']';
}

std::string as_json(std::string_view bytes) {
  return json::validate_copy(bytes).empty() ? std::string(bytes) : json::quoted(bytes);
}

std::string answer_member(unsigned status, std::string_view body) {
  return R"(,"answer":{"status":)" + std::to_string(status) + R"(,"body":)" + as_json(body) + '}';
}

std::string_view name_of(Fate fate) {
  switch (fate) {
    case Fate::open:
      return "unknown";
    case Fate::placed:
      return "placed";
    case Fate::declined:
      return "declined";
    case Fate::unplaced:
      return "not_placed";
    case Fate::unsent:
      return "not_sent";
  }
  return "unknown";
}

bool Trade::somebody_waits() const {
  return std::any_of(waiting.begin(), waiting.end(), [](const auto& gone) { return !gone || !gone(); });
}

std::vector<std::string> Trade::uuids() const {
  std::vector<std::string> out;
  for (const auto& order : settlement.orders())
    out.push_back(order.uuid);
  return out;
}

std::vector<std::string> Trade::spelled(const std::vector<std::size_t>& which) const {
  std::vector<std::string> out;
  for (const std::size_t i : which) {
    const std::string& uuid = settlement.orders()[i].uuid;
    out.push_back(uuid);
    // Upstream may keep a UUID as a UUID or as the text that it was sent.
    if (i < placement.orders.size() && placement.orders[i].spelled != uuid) {
      out.push_back(placement.orders[i].spelled);
    }
  }
  return out;
}

void Trade::step(std::string_view name, std::string_view members) {
  if (!steps.empty()) steps += ',';
  steps += R"({"at":")" + rfc3339(wall_now()) + R"(","step":")";
  steps.append(name).append("\"").append(members) += '}';
}

events::TradeRecord Trade::record() const {
  events::TradeRecord out;
  out.id = id;
  out.upstream = upstream;
  out.app = app;
  out.request_id = request_id;
  out.at = at;
  out.open = !settlement.all_known() && !settlement.gave_up();
  out.body = placement.body;
  out.status = status;
  out.settled = settlement.settled();
  out.content_type = content_type;
  out.answer = told;
  out.steps = '[' + steps + ']';
  for (const auto& order : settlement.orders())
    out.orders.push_back(events::TradeOrder{order.uuid, order.fate, order.entry});
  return out;
}

std::string event_payload(const Trade& trade, const std::vector<std::string>& uuids, std::string_view body,
                          std::string_view members) {
  std::string out = R"({"upstream":)" + json::quoted(trade.upstream) + R"(,"app":)" +
                    json::quoted(trade.app) + R"(,"request_id":)" + json::quoted(trade.request_id);
  if (trade.id != 0) out += R"(,"trade":)" + std::to_string(trade.id);
  out += R"(,"uuids":)" + quoted_list(uuids) + R"(,"body":)" + as_json(body);
  return out.append(members) += '}';
}

std::string story_of(const events::TradeRecord& record, const std::string& uuid) {
  const auto one = [](const events::TradeOrder& order) {
    return R"("requestUuid":)" + json::quoted(order.uuid) + R"(,"fate":")" +
           std::string(name_of(order.fate)) + R"(","entry":)" +
           (order.entry.empty() ? "null" : as_json(order.entry));
  };
  std::string out = "{";
  std::string all;
  for (const events::TradeOrder& order : record.orders) {
    if (order.uuid == uuid) out += one(order) + ',';
    all += (all.empty() ? "{" : ",{") + one(order) + '}';
  }
  out += R"("upstream":)" + json::quoted(record.upstream) + R"(,"app":)" + json::quoted(record.app) +
         R"(,"request_id":)" + json::quoted(record.request_id) + R"(,"received_at":")" + rfc3339(record.at) +
         R"(","open":)" + (record.open ? "true" : "false") + R"(,"settled":)" +
         (record.settled ? "true" : "false") + R"(,"steps":)" + as_json(record.steps) + R"(,"body":)" +
         as_json(record.body) + R"(,"answer":)";
  if (record.status == 0) {
    out += "null";
  } else {
    out += R"({"status":)" + std::to_string(record.status) + R"(,"content_type":)" +
           json::quoted(record.content_type) + R"(,"body":)" + as_json(record.answer) + '}';
  }
  return out + R"(,"orders":[)" + all + "]}";
}

}  // namespace bridge55::gateway
