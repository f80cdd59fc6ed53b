#include "tests/sim/abp_order_body.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>

#include <nlohmann/json.hpp>

namespace bridge55::sim {

using json = nlohmann::ordered_json;

namespace {

constexpr std::size_t kMostOrders = 100;
constexpr std::int64_t kDayMs = 24LL * 3600 * 1000;
constexpr std::int64_t kLimit = 500'000;        // hundredths
constexpr std::int64_t kMinimum = 100;          // hundredths
constexpr std::int64_t kNoSuchPrice = 100'000;  // hundredths

constexpr std::array kBookmakers{
    "pinnacle",      "pinnacleb2b",   "betamapola",  "betcris",        "bookmaker.eu", "cloudbet",
    "cloudbetb2b",   "justbet",       "kaiyun",      "monkeyline.vip", "novig.us",     "198bet",
    "paradisewager", "sharpbet",      "singbet",     "sports411.ag",   "3et",          "vertex",
    "betfair-ex",    "limitless-ex",  "matchbook",   "smarkets",       "4casters",     "kalshi",
    "polymarket",    "polymarket.us", "predict.fun", "prophetx",       "sx.bet",       "punter.io"};
constexpr std::array kAccounts{"pinnacle", "sharpbet", "betfair-ex"};
constexpr std::array kCurrencies{"USD", "EUR", "GBP", "BTC", "USDC", "USDT", "CAD", "AUD"};

enum class Kind { text, uuid, integer, price, stake, flag, object, time };
struct Field {
  const char* name;
  Kind kind;
  bool required;
};
constexpr std::array<Field, 17> kFields{{{"requestUuid", Kind::uuid, true},
                                         {"fixtureId", Kind::text, false},
                                         {"futureId", Kind::text, false},
                                         {"participantId", Kind::integer, false},
                                         {"outcomeId", Kind::integer, true},
                                         {"playerId", Kind::integer, true},
                                         {"orderPrice", Kind::price, true},
                                         {"orderStake", Kind::stake, true},
                                         {"userRef", Kind::text, true},
                                         {"testOrder", Kind::flag, true},
                                         {"bookmakers", Kind::text, false},
                                         {"orderCurrency", Kind::text, false},
                                         {"back", Kind::flag, false},
                                         {"acceptBetterOdds", Kind::flag, false},
                                         {"acceptPartialStake", Kind::flag, false},
                                         {"expiresAt", Kind::time, false},
                                         {"meta", Kind::object, false}}};

struct Complaint {
  const char* msg = nullptr;
  const char* type = nullptr;
};

Complaint complaint_about_number(const json& value, Kind kind) {
  if (!value.is_number()) return {"Input should be a valid number", "float_type"};
  const double least = kind == Kind::price ? 1 : 0;
  if (value.get<double>() > least) return {};
  return {kind == Kind::price ? "Input should be greater than 1" : "Input should be greater than 0",
          "greater_than"};
}

Complaint complaint(const json& value, Kind kind) {
  switch (kind) {
    case Kind::text:
      return value.is_string() ? Complaint{} : Complaint{"Input should be a valid string", "string_type"};
    case Kind::uuid:
      if (!value.is_string()) return {"UUID input should be a string, bytes or UUID object", "uuid_type"};
      return is_uuid(value.get<std::string>()) ? Complaint{}
                                               : Complaint{"Input should be a valid UUID", "uuid_parsing"};
    case Kind::integer:
      return value.is_number_integer() ? Complaint{}
                                       : Complaint{"Input should be a valid integer", "int_type"};
    case Kind::price:
    case Kind::stake:
      return complaint_about_number(value, kind);
    case Kind::flag:
      return value.is_boolean() ? Complaint{} : Complaint{"Input should be a valid boolean", "bool_type"};
    case Kind::object:
      return value.is_object() ? Complaint{} : Complaint{"Input should be a valid dictionary", "dict_type"};
    case Kind::time:
      return value.is_string() && parse_iso_time(value.get<std::string>())
                 ? Complaint{}
                 : Complaint{"Input should be a valid datetime", "datetime_parsing"};
  }
  return {};
}

bool has(const json& order, const char* name) {
  const auto found = order.find(name);
  return found != order.end() && !found->is_null();
}

class Complaints {
 public:
  void add(json loc, const Complaint& what) {
    list_.push_back({{"loc", std::move(loc)}, {"msg", what.msg}, {"type", what.type}});
  }
  bool empty() const { return list_.empty(); }
  HttpResponse response() const { return json_response(422, json{{"detail", list_}}.dump()); }

 private:
  json list_ = json::array();
};

void check_order(const json& order, std::size_t index, Complaints& complaints) {
  const json at{"body", "orders", index};
  const auto field = [&at](const char* name) {
    json loc = at;
    loc.push_back(name);
    return loc;
  };
  if (!order.is_object()) {
    return complaints.add(
        at, {"Input should be a valid dictionary or object to extract fields from", "model_attributes_type"});
  }
  for (const Field& one : kFields) {
    const auto found = order.find(one.name);
    if (found == order.end()) {
      if (one.required) complaints.add(field(one.name), {"Field required", "missing"});
      continue;
    }
    if (found->is_null() && !one.required) continue;
    if (const auto what = complaint(*found, one.kind); what.msg != nullptr)
      complaints.add(field(one.name), what);
  }
  const bool fixture = has(order, "fixtureId");
  const bool future = has(order, "futureId");
  if (!fixture && !future) complaints.add(field("fixtureId"), {"Field required", "missing"});
  if (fixture && future)
    complaints.add(at, {"Value error, fixtureId and futureId are mutually exclusive", "value_error"});
}

std::int64_t hundredths(const json& value) {
  return std::llround(std::min(value.get<double>(), 1e12) * 100);
}

AbpOrder to_order(const json& from, std::int64_t now_ms, std::int64_t life_ms) {
  AbpOrder order;
  const auto flag = [&from](const char* name, bool fallback) {
    return has(from, name) ? from[name].get<bool>() : fallback;
  };
  order.uuid = canonical_uuid(from["requestUuid"].get<std::string>());
  order.fixture = has(from, "fixtureId") ? from["fixtureId"].get<std::string>() : "";
  order.user_ref = from["userRef"].get<std::string>();
  order.outcome = from["outcomeId"].get<std::int64_t>();
  order.player = from["playerId"].get<std::int64_t>();
  order.price = hundredths(from["orderPrice"]);
  order.stake = hundredths(from["orderStake"]);
  order.test = flag("testOrder", false);
  order.back = flag("back", true);
  order.better_odds = flag("acceptBetterOdds", true);
  order.partial_stake = flag("acceptPartialStake", true);
  if (has(from, "bookmakers")) order.bookmakers = from["bookmakers"].get<std::string>();
  if (has(from, "orderCurrency")) order.currency = from["orderCurrency"].get<std::string>();
  if (has(from, "meta")) order.meta = from["meta"].dump();
  order.created_ms = order.updated_ms = now_ms;
  order.expires_ms = now_ms + life_ms;
  if (has(from, "expiresAt"))
    order.expires_ms = std::min(*parse_iso_time(from["expiresAt"].get<std::string>()), now_ms + kDayMs);
  return order;
}

HttpResponse complain(json loc, const Complaint& what) {
  Complaints complaints;
  complaints.add(std::move(loc), what);
  return complaints.response();
}

/// The list of orders, or why there is none.
std::optional<HttpResponse> refuse_body(const HttpRequest& request, const json& body) {
  const auto type = request.header("content-type");
  const bool as_json = type.empty() || type.starts_with("application/json");
  if (as_json && body.is_discarded()) return complain({"body", 0}, {"JSON decode error", "json_invalid"});
  if (!as_json || !body.is_object()) {
    return complain({"body"}, {"Input should be a valid dictionary or object to extract fields from",
                               "model_attributes_type"});
  }
  if (!body.contains("orders")) return complain({"body", "orders"}, {"Field required", "missing"});
  const json& orders = body["orders"];
  if (!orders.is_array()) return complain({"body", "orders"}, {"Input should be a valid list", "list_type"});
  if (orders.empty()) {
    return complain({"body", "orders"},
                    {"List should have at least 1 item after validation, not 0", "too_short"});
  }
  if (orders.size() <= kMostOrders) return std::nullopt;
  return complain({"body", "orders"}, {"List should have at most 100 items after validation", "too_long"});
}

std::string money(std::int64_t hundredths) {
  std::array<char, 40> text{};
  const int size =
      std::snprintf(text.data(), text.size(), "%lld.%02lld", static_cast<long long>(hundredths / 100),
                    static_cast<long long>(hundredths % 100));
  return {text.data(), static_cast<std::size_t>(size)};
}

template <class List>
bool contains(const List& list, std::string_view value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

}  // namespace

OrderBody read_orders(const HttpRequest& request, std::int64_t now_ms, std::int64_t life_ms) {
  OrderBody result;
  const json body = json::parse(request.body, nullptr, false);
  result.refusal = refuse_body(request, body);
  if (result.refusal) return result;
  Complaints complaints;
  const json& orders = body["orders"];
  for (std::size_t i = 0; i < orders.size(); ++i)
    check_order(orders[i], i, complaints);
  if (!complaints.empty()) {
    result.refusal = complaints.response();
    return result;
  }
  for (const auto& order : orders) {
    if (has(order, "futureId")) {
      result.refusal = json_response(501, R"({"detail": "Not Implemented"})");
      return result;
    }
    result.orders.push_back(to_order(order, now_ms, life_ms));
  }
  return result;
}

std::string decline_reason(const AbpOrder& order) {
  const auto stake = "Order stake " + money(order.stake) + ' ' + order.currency;
  if (!contains(kCurrencies, order.currency)) return "Currency conversion failed";
  if (order.stake > kLimit) return stake + " exceeds available limit " + money(kLimit) + ' ' + order.currency;
  if (order.stake < kMinimum) return stake + " is below minimum " + money(kMinimum) + ' ' + order.currency;
  if (order.price >= kNoSuchPrice) return "Invalid odds: " + money(order.price) + " is not available";
  if (order.bookmakers == "*" || order.bookmakers.empty()) return {};
  const auto first = order.bookmakers.substr(0, order.bookmakers.find(','));
  if (!contains(kBookmakers, first)) return "Bookmaker not available: " + first;
  return contains(kAccounts, first) ? std::string() : "No active accounts available for this market";
}

std::optional<std::int64_t> parse_iso_time(const std::string& text) {
  std::tm t{};
  int used = 0;
  const int got = std::sscanf(text.c_str(), "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%2d%n", &t.tm_year, &t.tm_mon,
                              &t.tm_mday, &t.tm_hour, &t.tm_min, &t.tm_sec, &used);
  if (got != 6 || used == 0 || t.tm_mon < 1 || t.tm_mon > 12 || t.tm_mday < 1 || t.tm_mday > 31 ||
      t.tm_hour > 23 || t.tm_min > 59 || t.tm_sec > 60)
    return std::nullopt;
  t.tm_year -= 1900;
  t.tm_mon -= 1;
  std::int64_t ms = timegm(&t) * std::int64_t{1000};
  std::string_view rest = std::string_view(text).substr(static_cast<std::size_t>(used));
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    for (std::int64_t unit = 100; !rest.empty() && rest.front() >= '0' && rest.front() <= '9'; unit /= 10) {
      ms += unit * (rest.front() - '0');
      rest.remove_prefix(1);
    }
  }
  if (rest.empty() || rest == "Z" || rest == "z") return ms;
  int hours = 0;
  int minutes = 0;
  const std::string zone(rest.substr(1));
  if ((rest.front() != '+' && rest.front() != '-') ||
      std::sscanf(zone.c_str(), "%2d:%2d", &hours, &minutes) != 2)
    return std::nullopt;
  const std::int64_t offset = (hours * 60 + minutes) * std::int64_t{60'000};
  return rest.front() == '+' ? ms - offset : ms + offset;
}

std::string canonical_uuid(std::string text) {
  for (char& c : text)
    c = c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c;
  return text;
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const char c = text[i];
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (dash ? c != '-' : !hex) return false;
  }
  return true;
}

}  // namespace bridge55::sim
