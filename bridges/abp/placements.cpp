#include "bridges/abp/placements.hpp"

#include "bridges/abp/placements_read.hpp"
#include "daemon/events/json.hpp"
#include "daemon/local/text.hpp"

#include <utility>

namespace bridge55::abp {
namespace {

using gateway::Entry;

// "Duplicate requestUuid: This `requestUuid` is already in-flight" (Errors, "Order decline reasons").
bool is_duplicate(std::string_view words) {
  const std::string reason = local::lower(words);
  return reason.find("duplicate") != reason.npos || reason.find("in-flight") != reason.npos ||
         reason.find("already in flight") != reason.npos;
}

// False where an element has no uuid: then nobody can tell which order it speaks of, nor which it leaves out.
bool read_entries(std::string_view list, std::vector<Entry>& out) {
  bool whole = true;
  const bool is_list = json::elements(list, [&](std::string_view object) {
    const std::string_view token = json::find(object, "requestUuid");
    std::optional<std::string> uuid = uuid_identity(json::text(token));
    if (!json::is_string(token) || !uuid) return whole = false;
    const std::string_view reason = json::find(object, "declineReason");
    const std::string words = reason.empty() ? std::string() : json::text(reason);
    out.push_back(Entry{std::move(*uuid), std::string(object), is_duplicate(words)});
    return true;
  });
  return is_list && whole;
}

std::string_view first_of(std::string_view object, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    const std::string_view token = json::find(object, name);
    if (!token.empty()) return token;
  }
  return {};
}

void append_percent(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out.append({'%', kHex[byte >> 4], kHex[byte & 15]});
  }
}

void append_list(std::string& out, const std::vector<std::string>& entries) {
  out += '[';
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (i != 0) out += ',';
    out += entries[i];
  }
  out += ']';
}

class Placements final : public gateway::Dialect {
 public:
  gateway::ReadPlacement read(std::string body, WallMicros now) const override {
    return read_placement(std::move(body), now);
  }

  std::string subset(const gateway::Placement& placement,
                     const std::vector<std::size_t>& which) const override {
    if (which.size() == placement.orders.size()) return placement.body;
    std::string out = placement.body.substr(0, placement.begin);
    out += '[';
    for (std::size_t i = 0; i < which.size(); ++i) {
      if (i != 0) out += ',';
      out += placement.text(placement.orders[which[i]]);
    }
    out += ']';
    return out.append(placement.body, placement.end);
  }

  std::optional<gateway::PlaceAnswer> read_answer(std::string_view body) const override {
    if (!json::validate_copy(body).empty()) return std::nullopt;
    gateway::PlaceAnswer answer;
    const std::string_view accepted = json::find(body, "acceptedOrders");
    const std::string_view declined = json::find(body, "declinedOrders");
    if (accepted.empty() && declined.empty()) return std::nullopt;
    const auto absent = [](std::string_view list) { return list.empty() || list == "null"; };
    if (!absent(accepted) && !read_entries(accepted, answer.accepted)) return std::nullopt;
    if (!absent(declined) && !read_entries(declined, answer.declined)) return std::nullopt;
    return answer;
  }

  std::optional<gateway::OrderPage> read_page(std::string_view body) const override {
    if (!json::validate_copy(body).empty()) return std::nullopt;
    gateway::OrderPage page;
    if (read_entries(body, page.rows)) return page;  // a bare list is all there is
    const std::string_view list = first_of(body, {"orders", "data", "items", "results"});
    if (list.empty() || !read_entries(list, page.rows)) return std::nullopt;
    const std::string_view more = first_of(body, {"hasMore", "has_more"});
    const std::string_view cursor = first_of(body, {"nextCursor", "next_cursor"});
    if (!cursor.empty() && cursor != "null") page.cursor = json::text(cursor);
    page.more = more == "true" || (more.empty() && !page.cursor.empty());
    return page;
  }

  std::string look_up_target(const std::vector<std::string>& uuids, std::string_view cursor) const override {
    std::string out = "/orders?requestUuids=";
    for (std::size_t i = 0; i < uuids.size(); ++i) {
      if (i != 0) out += ',';
      append_percent(out, uuids[i]);
    }
    if (cursor.empty()) return out;
    out += "&afterOrderId=";
    append_percent(out, cursor);
    return out;
  }

  std::string compose(const std::vector<std::string>& accepted,
                      const std::vector<std::string>& declined) const override {
    std::string out = R"({"status":")";
    out += declined.empty() ? "accepted" : accepted.empty() ? "declined" : "partial-success";
    out += R"(","acceptedOrders":)";
    append_list(out, accepted);
    out += R"(,"declinedOrders":)";
    append_list(out, declined);
    return out += '}';
  }

  std::string declined_entry(std::string_view uuid, std::string_view reason) const override {
    return R"({"requestUuid":)" + json::quoted(uuid) + R"(,"declineReason":)" + json::quoted(reason) + '}';
  }
};

}  // namespace

const gateway::Dialect& placements() {
  static const Placements instance;
  return instance;
}

}  // namespace bridge55::abp
