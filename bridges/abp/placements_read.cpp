#include "bridges/abp/placements_read.hpp"

#include "daemon/events/json.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <unordered_set>
#include <utility>
#include <vector>

namespace bridge55::abp {
namespace {

constexpr std::size_t kMaxOrders = 100;                // "Maximum 100 orders per request"
constexpr WallMicros kLongest = 24LL * 3'600'000'000;  // "capped at 24 hours maximum"

bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

std::size_t string_end(std::string_view json, std::size_t at) {
  for (++at; at < json.size() && json[at] != '"'; ++at) {
    if (json[at] == '\\') ++at;
  }
  return at + 1;
}

std::vector<std::string> slugs(std::string_view token) {
  std::vector<std::string> out;
  const auto add = [&](std::string_view list) {
    while (true) {
      const std::size_t comma = list.find(',');
      std::string_view slug = list.substr(0, comma);
      while (!slug.empty() && is_space(slug.front()))
        slug.remove_prefix(1);
      while (!slug.empty() && is_space(slug.back()))
        slug.remove_suffix(1);
      out.emplace_back(slug);
      if (comma == list.npos) return;
      list.remove_prefix(comma + 1);
    }
  };
  if (json::is_string(token)) {
    add(json::text(token));
  } else if (token != "null" &&
             !json::elements(token, [&](std::string_view one) { return add(json::text(one)), true; })) {
    add(token);  // neither: no bookmaker has such a name
  }
  return out;
}

WallMicros expiry(std::string_view token, WallMicros now) {
  const WallMicros longest = now + kLongest;
  if (!json::is_string(token)) return longest;
  return std::min(iso_time(json::text(token)).value_or(longest), longest);
}

// Nothing, or what is wrong with the order.
std::string read_member(std::string_view name, std::string_view token, WallMicros now,
                        gateway::Order& order) {
  const auto is = [&](std::string_view wanted) { return json::same_name(name, wanted); };
  if (is("requestUuid")) {
    std::optional<std::string> uuid =
        json::is_string(token) ? uuid_identity(json::text(token)) : std::optional<std::string>();
    if (!uuid) return "must be a UUID string like \"eb45b192-317b-42d5-9f65-af497b9fa8c1\"";
    order.uuid = std::move(*uuid);
    order.spelled = json::text(token);
  } else if (is("orderStake")) {
    order.stake = token;
  } else if (is("orderPrice")) {
    order.price = token;
  } else if (is("orderCurrency")) {
    order.currency = json::text(token);
  } else if (is("back")) {
    order.back = token == "true";
  } else if (is("testOrder")) {
    order.test = token == "true";
  } else if (is("bookmakers")) {
    order.bookmakers = slugs(token);
  } else if (is("expiresAt") && token != "null") {
    order.expires_at = expiry(token, now);
  }
  return {};
}

struct Reading {
  gateway::Placement placement;
  std::unordered_set<std::string> seen;
  WallMicros now = 0;
  std::string fault;

  bool order(std::string_view object) {
    const std::string place = "orders[" + std::to_string(placement.orders.size()) + "]";
    gateway::Order order;
    order.begin = static_cast<std::size_t>(object.data() - placement.body.data());
    order.end = order.begin + object.size();
    order.currency = "USD";  // "Currency code (default: `USD`)"
    const bool is_object = json::members(object, [&](std::string_view name, std::string_view token) {
      fault = read_member(name, token, now, order);
      return fault.empty();
    });
    if (!is_object) {
      fault = place + ": must be an object";
    } else if (!fault.empty()) {
      fault = place + ".requestUuid: " + fault;
    } else if (order.uuid.empty()) {
      fault = place + ".requestUuid: missing; each order needs a UUID of its own";
    } else if (!seen.insert(order.uuid).second) {
      fault = place + ".requestUuid: " + order.uuid + " is in this request twice";
    } else if (placement.orders.size() == kMaxOrders) {
      fault = "orders: at most " + std::to_string(kMaxOrders) + " in one request";
    }
    placement.orders.push_back(std::move(order));
    return fault.empty();
  }

  void list(std::string_view orders) {
    placement.begin = static_cast<std::size_t>(orders.data() - placement.body.data());
    placement.end = placement.begin + orders.size();
    if (!json::elements(orders, [&](std::string_view object) { return order(object); })) {
      fault = "orders: must be an array of orders";
    } else if (placement.orders.empty()) {
      fault = "orders: empty; one order at least";
    }
  }
};

}  // namespace

std::optional<std::string> uuid_identity(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  std::string out(text);
  for (std::size_t i = 0; i < out.size(); ++i) {
    char& c = out[i];
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (c != '-') return std::nullopt;
      continue;
    }
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
    if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f')) return std::nullopt;
  }
  return out;
}

std::optional<WallMicros> iso_time(std::string_view text) {
  std::size_t at = 0;
  const auto number = [&](std::size_t digits) -> std::int64_t {
    if (text.size() - at < digits) return -1;
    std::int64_t value = 0;
    for (std::size_t end = at + digits; at < end; ++at) {
      if (text[at] < '0' || text[at] > '9') return -1;
      value = value * 10 + (text[at] - '0');
    }
    return value;
  };
  const auto skip = [&](std::string_view any) {
    const bool there = at < text.size() && any.find(text[at]) != any.npos;
    at += there;
    return there;
  };
  const std::int64_t year = number(4);
  if (year < 0 || !skip("-")) return std::nullopt;
  const std::int64_t month = number(2);
  if (month < 0 || !skip("-")) return std::nullopt;
  const std::int64_t day = number(2);
  if (day < 0 || !skip("Tt ")) return std::nullopt;
  const std::int64_t hour = number(2);
  if (hour < 0 || hour > 23 || !skip(":")) return std::nullopt;
  const std::int64_t minute = number(2);
  if (minute < 0 || minute > 59) return std::nullopt;
  std::int64_t second = 0, micros = 0;
  if (skip(":")) {
    second = number(2);
    if (second < 0 || second > 60) return std::nullopt;
    if (skip(".,")) {
      std::int64_t unit = 100'000;
      const std::size_t first = at;
      for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10)
        micros += unit * (text[at] - '0');
      if (at == first) return std::nullopt;
    }
  }
  std::int64_t offset = 0;
  if (!skip("Zz") && at < text.size()) {
    const bool east = text[at] == '+';
    if (!skip("+-")) return std::nullopt;
    const std::int64_t hours = number(2);
    skip(":");
    const std::int64_t minutes = at < text.size() ? number(2) : 0;
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return std::nullopt;
    offset = (east ? 1 : -1) * (hours * 3600 + minutes * 60);
  }
  const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(year)),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  if (at != text.size() || !date.ok()) return std::nullopt;
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return (days * 86400 + hour * 3600 + minute * 60 + second - offset) * 1'000'000 + micros;
}

std::optional<std::string> duplicate_key(std::string_view json) {
  std::vector<std::unordered_set<std::string>> open;  // one an object or array around `at`
  std::vector<bool> is_object;
  bool expects_key = false;
  for (std::size_t at = 0; at < json.size();) {
    const char c = json[at];
    if (c == '"') {
      const std::size_t end = string_end(json, at);
      if (expects_key) {
        std::string name = json::text(json.substr(at, end - at));
        expects_key = false;
        if (!open.back().insert(name).second) return name;
      }
      at = end;
      continue;
    }
    if (c == '{' || c == '[') {
      open.emplace_back();
      is_object.push_back(c == '{');
      expects_key = c == '{';
    } else if (c == '}' || c == ']') {
      open.pop_back();
      is_object.pop_back();
      expects_key = false;
    } else if (c == ',') {
      expects_key = is_object.back();
    }
    ++at;
  }
  return std::nullopt;
}

gateway::ReadPlacement read_placement(std::string body, WallMicros now) {
  if (const std::string_view why = json::validate_copy(body); !why.empty()) {
    return {std::nullopt, "the body is not valid JSON: " + std::string(why)};
  }
  if (const auto name = duplicate_key(body)) {
    return {std::nullopt, "the member " + json::quoted(*name) + " is there twice in one object"};
  }
  Reading reading;
  reading.now = now;
  reading.placement.body = std::move(body);
  bool there = false;
  const bool is_object =
      json::members(reading.placement.body, [&](std::string_view name, std::string_view token) {
        if (!json::same_name(name, "orders")) return true;
        there = true;
        reading.list(token);
        return false;
      });
  if (!is_object) return {std::nullopt, "the body must be an object with the member \"orders\""};
  if (!there) return {std::nullopt, "orders: missing; an array of orders is expected"};
  if (!reading.fault.empty()) return {std::nullopt, std::move(reading.fault)};
  return {std::move(reading.placement), {}};
}

}  // namespace bridge55::abp
