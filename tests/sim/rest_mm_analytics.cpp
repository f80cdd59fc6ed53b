// MM's aggregates and reference data. Vendor docs: "Get orders summary", "Get bets summary", "List
// positions", "Get positions summary", "Get profit and loss", "List markets for sport", "List players for
// sport".
#include "tests/sim/rest_mm.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include <nlohmann/json.hpp>

namespace bridge55::sim {

using json = nlohmann::ordered_json;

namespace {

struct Position {
  std::int64_t orders = 0;
  double total = 0, matched = 0, open = 0;
  json key;
};

double rounded(double value) {
  return std::round(value * 100) / 100;
}

template <class Visit>
void each_row(const Call& call, const std::map<std::int64_t, Row>& rows, Visit&& visit) {
  for (const auto& [id, row] : rows) {
    if (row.client != call.client() || !passes_mm_filter(call.request, row)) continue;
    const json parsed = json::parse(row.json, nullptr, false);
    if (parsed.is_object()) visit(row, parsed);
  }
}

HttpResponse summary(const Call& call, const std::map<std::int64_t, Row>& rows, const char* total,
                     const char* stake) {
  std::map<std::string, std::int64_t> statuses;
  std::int64_t count = 0;
  double staked = 0;
  each_row(call, rows, [&](const Row& row, const json& parsed) {
    ++count;
    ++statuses[row.status];
    staked += parsed.value(stake, 0.0);
  });
  return json_response(200,
                       json{{total, count}, {"totalStake", rounded(staked)}, {"byStatus", statuses}}.dump());
}

bool is_open(const Row& row) {
  return row.status == "PLACED" || row.status == "PENDING_PLACEMENT" || row.status == "PARTIAL";
}

/// "Status filters": alternatives; `active` without any.
bool in_status(const std::vector<std::string>& wanted, const Row& row, double matched) {
  const auto fits = [&](const std::string& name) {
    if (name == "open") return is_open(row);
    if (name == "matched") return matched > 0 && row.status != "CANCELLED";
    if (name == "filled") return row.status == "FILLED";
    return (row.status == "CANCELLED") == (name == "cancelled");
  };
  return wanted.empty() ? fits("active") : std::any_of(wanted.begin(), wanted.end(), fits);
}

std::vector<Position> positions(const Call& call) {
  const auto wanted = list_parameter(call.request, "status");
  std::map<std::string, Position> found;
  for (const auto& [id, row] : call.vendor.book_of(Api::mm).orders()) {
    if (row.client != call.client()) continue;
    const json order = json::parse(row.json, nullptr, false);
    const double matched = order.value("matchedStake", 0.0);
    if (!in_status(wanted, row, matched)) continue;
    const json key{
        {"fixtureId", row.fixture}, {"outcomeId", order.value("outcomeId", 0)}, {"exchange", row.venue}};
    Position& position = found[key.dump()];
    const double stake = order.value("orderStake", 0.0);
    position.key = key;
    ++position.orders;
    position.total += stake;
    position.matched += matched;
    position.open += is_open(row) ? stake - matched : 0;
  }
  std::vector<Position> list;
  for (auto& [name, position] : found)
    list.push_back(std::move(position));
  return list;
}

std::optional<HttpResponse> refuse_sport(const HttpRequest& request) {
  if (either(request, "sportId", "sport_id")) return std::nullopt;
  return unprocessable(R"(["query", "sportId"])", "Field required", "missing");
}

}  // namespace

HttpResponse orders_summary(const Call& call) {
  return summary(call, call.vendor.book_of(Api::mm).orders(), "totalOrders", "orderStake");
}

HttpResponse bets_summary(const Call& call) {
  return summary(call, call.vendor.book_of(Api::mm).bets(), "totalBets", "placedStake");
}

HttpResponse mm_positions(const Call& call) {
  std::string rows;
  std::int64_t count = 0;
  for (const auto& position : positions(call)) {
    json row = position.key;
    row["orderCount"] = position.orders;
    row["totalStake"] = rounded(position.total);
    row["matchedStake"] = rounded(position.matched);
    row["openStake"] = rounded(position.open);
    rows += (rows.empty() ? "" : ",") + row.dump();
    ++count;
  }
  return mm_list(call.vendor, rows, count, 1);
}

HttpResponse mm_positions_summary(const Call& call) {
  Position sum;
  const auto list = positions(call);
  for (const auto& position : list) {
    sum.total += position.total;
    sum.matched += position.matched;
    sum.open += position.open;
  }
  return json_response(200, json{{"totalPositions", list.size()},
                                 {"totalStake", rounded(sum.total)},
                                 {"matchedStake", rounded(sum.matched)},
                                 {"openStake", rounded(sum.open)}}
                                .dump());
}

HttpResponse mm_pnl(const Call& call) {
  double realized = 0;
  double unrealized = 0;
  std::int64_t settled = 0;
  each_row(call, call.vendor.book_of(Api::mm).orders(), [&](const Row&, const json& order) {
    const double matched = order.value("matchedStake", 0.0);
    const double price = order.value("orderCents", 0.0);
    const auto status = order.value("settlementStatus", "UNDECIDED");
    const double profit = price > 0 ? matched * (1 / price - 1) : 0;
    if (status == "UNDECIDED") {
      unrealized += profit;
      return;
    }
    ++settled;
    const double part = status.starts_with("HALF_") ? 0.5 : 1;
    realized += status.ends_with("WON") ? part * profit : status.ends_with("LOST") ? -part * matched : 0;
  });
  return json_response(200, json{{"realizedPnl", rounded(realized)},
                                 {"unrealizedPnl", rounded(unrealized)},
                                 {"totalPnl", rounded(realized + unrealized)},
                                 {"settledOrders", settled}}
                                .dump());
}

HttpResponse mm_markets(const Call& call) {
  if (auto refusal = refuse_sport(call.request)) return *refusal;
  return mm_list(
      call.vendor,
      R"({"marketId":101,"outcomeIds":[111,112],"playerIds":[],"bookmakers":["pinnacle","vertex"]})", 1, 1);
}

HttpResponse mm_players(const Call& call) {
  if (auto refusal = refuse_sport(call.request)) return *refusal;
  return mm_list(call.vendor,
                 R"({"playerId":9001,"marketIds":[201],"outcomeIds":[161,162],"bookmakers":["pinnacle"]})", 1,
                 1);
}

}  // namespace bridge55::sim
