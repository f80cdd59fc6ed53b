// GET /positions and /pnl. Vendor docs: "Get open positions", "Get profit and loss", ABP Quickstart step 5.
#include "tests/sim/rest_abp.hpp"

#include <cmath>
#include <map>

#include <nlohmann/json.hpp>

namespace bridge55::sim {

using json = nlohmann::ordered_json;

namespace {

struct Group {
  std::int64_t bets = 0, wins = 0, losses = 0;
  double stake = 0, prices = 0, pnl = 0;
};

double rounded(double value) {
  return std::round(value * 100) / 100;
}

bool passes(const HttpRequest& request, const json& bet) {
  for (const char* name : {"bookmaker", "userRef", "account"}) {
    const auto wanted = request.parameter(name);
    if (wanted && bet.value(name, "") != *wanted) return false;
  }
  return true;
}

/// The client's bets by what they are grouped by; `add` says whether a bet counts.
template <class Add>
std::map<std::string, Group> grouped(const Call& call, const std::string& by, Add&& add) {
  std::map<std::string, Group> groups;
  for (const auto& [id, row] : call.vendor.book_of(Api::abp).bets()) {
    if (row.client != call.client()) continue;
    const json bet = json::parse(row.json, nullptr, false);
    if (!bet.is_object() || !passes(call.request, bet)) continue;
    Group one = groups[bet.value(by, "")];
    if (!add(bet, one)) continue;
    one.stake += bet.value("placedStake", 0.0);
    one.prices += bet.value("placedPrice", 0.0);
    ++one.bets;
    groups[bet.value(by, "")] = one;
  }
  std::erase_if(groups, [](const auto& entry) { return entry.second.bets == 0; });
  return groups;
}

std::optional<HttpResponse> refuse_group(const std::string& by) {
  if (by == "bookmaker" || by == "account" || by == "userRef") return std::nullopt;
  return unprocessable(R"(["query", "groupBy"])", "Input should be 'bookmaker', 'account' or 'userRef'",
                       "enum");
}

bool is_open(const json& bet, Group&) {
  const auto status = bet.value("betStatus", "");
  return (status == "PLACED" || status == "CONFIRMED") && bet.value("settlementStatus", "") == "UNSETTLED";
}

bool is_settled(const json& bet, Group& group) {
  const auto settled = bet.value("settlementStatus", "");
  if (settled.empty() || settled == "UNSETTLED") return false;
  group.wins += settled == "WON" || settled == "HALF_WON" ? 1 : 0;
  group.losses += settled == "LOST" || settled == "HALF_LOST" ? 1 : 0;
  const auto& amount = bet["settlementAmount"];
  group.pnl += (amount.is_number() ? amount.get<double>() : 0.0) - bet.value("placedStake", 0.0);
  return true;
}

}  // namespace

HttpResponse get_positions(const Call& call) {
  const auto by = call.request.parameter("groupBy").value_or("bookmaker");
  if (auto refusal = refuse_group(by)) return *refusal;
  json list = json::array();
  Group total;
  for (const auto& [name, group] : grouped(call, by, is_open)) {
    const auto average = rounded(group.prices / static_cast<double>(group.bets));
    list.push_back(
        {{by, name}, {"openBets", group.bets}, {"totalStake", rounded(group.stake)}, {"avgPrice", average}});
    total.bets += group.bets;
    total.stake += group.stake;
  }
  const auto count = list.size();
  return json_response(200, json{{"status", "success"},
                                 {"groupBy", by},
                                 {"positions", std::move(list)},
                                 {"count", count},
                                 {"totalStake", rounded(total.stake)},
                                 {"totalOpenBets", total.bets}}
                                .dump());
}

HttpResponse get_pnl(const Call& call) {
  const auto by = call.request.parameter("groupBy").value_or("bookmaker");
  if (auto refusal = refuse_group(by)) return *refusal;
  json list = json::array();
  Group total;
  for (const auto& [name, group] : grouped(call, by, is_settled)) {
    const auto rate =
        std::round(1000.0 * static_cast<double>(group.wins) / static_cast<double>(group.bets)) / 10;
    list.push_back({{by, name},
                    {"settledBets", group.bets},
                    {"wins", group.wins},
                    {"losses", group.losses},
                    {"netPnl", rounded(group.pnl)},
                    {"winRate", rate}});
    total.bets += group.bets;
    total.stake += group.stake;
    total.pnl += group.pnl;
  }
  const auto count = list.size();
  return json_response(200, json{{"status", "success"},
                                 {"groupBy", by},
                                 {"pnl", std::move(list)},
                                 {"count", count},
                                 {"totalNetPnl", rounded(total.pnl)},
                                 {"totalStaked", rounded(total.stake)},
                                 {"totalSettledBets", total.bets}}
                                .dump());
}

}  // namespace bridge55::sim
