#include "daemon/local/query.hpp"

#include "daemon/local/text.hpp"

#include <algorithm>
#include <chrono>

namespace bridge55::local {
namespace {

constexpr std::size_t kMaxLimit = 1000;
constexpr std::string_view kForeignUrl = "/via/";
constexpr std::size_t kMaxName = 128;

bool has_dot_segment(std::string_view path) {
  for (const std::string_view segment : split_list(path, '/')) {
    if (segment == "." || segment == "..") return true;
  }
  return false;
}

// An encoded slash, backslash, dot or NUL means one path to us and another to whoever looks next.
bool has_ambiguous_escape(std::string_view path) {
  const std::string text = lower(path);
  return text.find("%2f") != text.npos || text.find("%5c") != text.npos || text.find("%2e") != text.npos;
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

std::optional<Params> parse_params(std::string_view query) {
  Params params;
  for (const std::string_view part : split_list(query, '&')) {
    const std::size_t equals = std::min(part.find('='), part.size());
    auto name = percent_decode(part.substr(0, equals), true);
    auto value = percent_decode(part.substr(std::min(equals + 1, part.size())), true);
    if (!name || !value) return {};
    params.emplace_back(std::move(*name), std::move(*value));
  }
  return params;
}

void add_list(std::vector<std::string>& list, std::string_view text) {
  for (const std::string_view part : split_list(text))
    list.emplace_back(part);
}

std::optional<bool> parse_flag(std::string_view text) {
  if (text.empty() || text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  return {};
}

// Takes a parameter that every event endpoint has. `taken` is false where it is another one.
std::optional<Refusal> take_filter(const std::pair<std::string, std::string>& param, config::Match& match,
                                   bool& taken) {
  const auto& [name, value] = param;
  taken = true;
  if (name == "source") {
    add_list(match.source, value);
  } else if (name == "channel") {
    add_list(match.channel, value);
  } else if (name == "event") {
    add_list(match.event, value);
  } else if (name == "key") {
    add_list(match.key, value);
  } else if (name == "where") {
    auto condition = events::Filter::parse_where(value);
    if (const auto* fault = std::get_if<std::string>(&condition)) return bad_request("where: " + *fault);
    match.where.push_back(std::move(std::get<config::Condition>(condition)));
  } else {
    taken = false;
  }
  return {};
}

std::optional<Refusal> compile(const config::Match& match, events::Filter& into) {
  auto filter = events::Filter::compile(match);
  if (const auto* fault = std::get_if<std::string>(&filter)) return bad_request(*fault);
  into = std::get<events::Filter>(std::move(filter));
  return {};
}

Refusal unknown(const std::string& name, std::string_view known) {
  return bad_request("unknown query parameter `" + name +
                     "`; known are source, channel, event, key, where, " + std::string(known));
}

std::optional<Refusal> take_start(const std::string& value, Start& start) {
  auto parsed = parse_start(value);
  if (auto* refusal = std::get_if<Refusal>(&parsed)) return std::move(*refusal);
  start = std::get<Start>(parsed);
  return {};
}

std::optional<Refusal> take_stream_param(const std::pair<std::string, std::string>& param,
                                         StreamQuery& query) {
  const auto& [name, value] = param;
  if (name == "after") return take_start(value, query.start);
  if (name == "consumer") {
    if (!valid_consumer_name(value)) {
      return bad_request("consumer: a name has 1 to 128 letters, digits or any of ._:@~-");
    }
    query.consumer = value;
  } else if (name == "named") {
    const auto flag = parse_flag(value);
    if (!flag) return bad_request("named: expected true or false");
    query.named = *flag;
  } else if (name == "snapshot") {
    const auto flag = parse_flag(value);
    if (!flag) return bad_request("snapshot: expected true or false");
    if (*flag)
      return bad_request(
          "snapshot: snapshots are not available in this version; use after=<id>|earliest|latest");
  } else {
    return unknown(name, "after, consumer, named, snapshot");
  }
  return {};
}

std::optional<Refusal> take_time(const std::string& name, const std::string& value, WallMicros& into) {
  const auto at = parse_rfc3339(value);
  if (!at) return bad_request(name + ": expected a time such as 2026-02-15T19:31:49Z (RFC 3339)");
  into = std::max<WallMicros>(*at, 1);
  return {};
}

std::optional<Refusal> take_page_param(const std::pair<std::string, std::string>& param, PageQuery& query) {
  const auto& [name, value] = param;
  if (name == "after") return take_start(value, query.start);
  if (name == "from") return take_time(name, value, query.from);
  if (name == "to") return take_time(name, value, query.to);
  if (name == "before") {
    const auto id = parse_decimal(value);
    if (!id || *id == 0) return bad_request("before: expected an event id");
    query.before = *id;
  } else if (name == "limit") {
    const auto limit = parse_decimal(value);
    if (!limit || *limit == 0 || *limit > kMaxLimit) return bad_request("limit: expected 1 to 1000");
    query.limit = static_cast<std::size_t>(*limit);
  } else {
    return unknown(name, "after, before, limit, from, to");
  }
  return {};
}

template <class Query, class Take>
std::variant<Query, Refusal> parse_query(const Params& params, Take take) {
  Query query;
  config::Match match;
  for (const auto& param : params) {
    bool taken = false;
    if (auto refusal = take_filter(param, match, taken)) return std::move(*refusal);
    if (taken) continue;
    if (auto refusal = take(param, query)) return std::move(*refusal);
  }
  if (auto refusal = compile(match, query.filter)) return std::move(*refusal);
  return query;
}

// `count` digits from `at` on as a number; -1 where there are none.
int digits(std::string_view text, std::size_t at, std::size_t count) {
  if (at + count > text.size()) return -1;
  int value = 0;
  for (const char c : text.substr(at, count)) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

}  // namespace

std::variant<Target, Refusal> parse_target(std::string_view target) {
  const std::size_t question = std::min(target.find('?'), target.size());
  const std::string_view raw_path = target.substr(0, question);
  // What follows is somebody else's URL: its escapes, dots and parameters mean nothing here.
  if (target.starts_with(kForeignUrl)) return Target{std::string(raw_path), {}};
  if (has_ambiguous_escape(raw_path)) return bad_request("the path holds an encoded slash, backslash or dot");
  auto path = percent_decode(raw_path, false);
  if (!path) return bad_request("the path holds a broken percent-escape");
  if (has_control(*path)) return bad_request("the path holds an encoded control character");
  if (has_dot_segment(*path)) return bad_request("the path holds a dot segment");
  auto params = parse_params(target.substr(std::min(question + 1, target.size())));
  if (!params) return bad_request("the query holds a broken percent-escape");
  return Target{std::move(*path), std::move(*params)};
}

std::variant<Start, Refusal> parse_start(std::string_view text) {
  if (text == "earliest") return Start{Start::Kind::earliest, 0};
  if (text == "latest") return Start{Start::Kind::now, 0};
  const auto id = parse_decimal(text);
  if (!id) return bad_request("after: expected an event id, earliest or latest");
  return Start{Start::Kind::after, *id};
}

bool valid_consumer_name(std::string_view name) {
  if (name == "." || name == "..") return false;  // no path could name it
  if (name.empty() || name.size() > kMaxName) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    const bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return alnum || std::string_view("._:@~-").find(c) != std::string_view::npos;
  });
}

std::variant<StreamQuery, Refusal> parse_stream_query(const Params& params, std::string_view last_event_id) {
  auto query = parse_query<StreamQuery>(params, take_stream_param);
  if (last_event_id.empty() || std::holds_alternative<Refusal>(query)) return query;
  const auto id = parse_decimal(last_event_id);
  if (!id) return bad_request("Last-Event-ID is not an event id");
  std::get<StreamQuery>(query).start = Start{Start::Kind::after, *id};
  return query;
}

std::variant<PageQuery, Refusal> parse_page_query(const Params& params) {
  return parse_query<PageQuery>(params, take_page_param);
}

std::optional<WallMicros> parse_rfc3339(std::string_view text) {
  const int year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
  const int hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' || text[13] != ':' || text[16] != ':') return {};
  if (text[10] != 'T' && text[10] != 't' && text[10] != ' ') return {};
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (year < 0 || month < 0 || day < 0 || !date.ok()) return {};
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return {};
  std::size_t at = 19;
  std::int64_t micros = 0;
  if (text[at] == '.') {
    std::int64_t unit = 100'000;
    const std::size_t first = ++at;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10)
      micros += (text[at] - '0') * unit;
    if (at == first) return {};
  }
  const std::string_view zone = text.substr(at);
  std::int64_t offset_minutes = 0;
  if (zone != "Z" && zone != "z") {
    const int zone_hour = digits(zone, 1, 2), zone_minute = digits(zone, 4, 2);
    if (zone.size() != 6 || zone[3] != ':' || zone_hour < 0 || zone_hour > 23 || zone_minute < 0 ||
        zone_minute > 59)
      return {};
    if (zone[0] != '+' && zone[0] != '-' && zone[0] != ' ') return {};
    offset_minutes = (std::int64_t{zone_hour} * 60 + zone_minute) * (zone[0] == '-' ? -1 : 1);
  }
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  const std::int64_t seconds = ((days * 24 + hour) * 60 + minute - offset_minutes) * 60 + second;
  return seconds * 1'000'000 + micros;
}

}  // namespace bridge55::local
