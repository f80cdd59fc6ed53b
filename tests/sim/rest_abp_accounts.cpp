// Accounts. Vendor docs: "List accounts for client", "Create account", "Update account", "Delete account".
#include "tests/sim/abp_desk.hpp"
#include "tests/sim/rest_abp.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace bridge55::sim {

using json = nlohmann::ordered_json;

namespace {

std::int64_t priority_of(const Row& row) {
  return json::parse(row.json).value("priority", std::int64_t{0});
}

void keep(const Call& call, const std::string& event, const json& account) {
  const auto bookmaker = account["bookmaker"].get<std::string>();
  const auto name = bookmaker + '/' + account["username"].get<std::string>();
  const auto text = account.dump();
  call.vendor.book_of(Api::abp).put_account(name, {0, 0, {}, {}, {}, {}, bookmaker, call.client(), text});
  tell_abp(call.vendor, "accounts", event, text, call.client());
}

/// What may be set, laid over an account; the wrong type's name if there is one.
std::optional<std::string> lay_over(json& account, const json& body) {
  for (const auto& [name, value] : body.items()) {
    if (name == "bookmaker" || name == "username" || name == "client" || !account.contains(name)) continue;
    const bool number = account[name].is_number() || name == "maxStake" || name == "minStake";
    const bool fits = value.is_null() || (number ? value.is_number() : value.type() == account[name].type());
    if (!fits) return name;
    account[name] = name == "password" ? json("***") : value;
  }
  account["updatedAt"] = iso_time(wall_ms(), "Z");
  return std::nullopt;
}

HttpResponse wrong_type(const std::string& name) {
  return unprocessable(json{"body", name}.dump(), "Input should be a valid value", "type_error");
}

json fresh_account(const json& body, const std::string& client) {
  const auto now = iso_time(wall_ms(), "Z");
  return {{"bookmaker", body["bookmaker"]},
          {"username", body["username"]},
          {"client", client},
          {"password", "***"},
          {"balance", 0.0},
          {"active", true},
          {"priority", 0},
          {"maxStake", nullptr},
          {"minStake", nullptr},
          {"currencyId", "USD"},
          {"verifyBetslip", false},
          {"meta", json::object()},
          {"createdAt", now},
          {"updatedAt", now}};
}

HttpResponse create(const Call& call) {
  const json body = json::parse(call.request.body, nullptr, false);
  if (!body.is_object()) return unprocessable(R"(["body", 0])", "JSON decode error", "json_invalid");
  for (const char* name : {"bookmaker", "username", "password"}) {
    if (!body.contains(name)) return unprocessable(json{"body", name}.dump(), "Field required", "missing");
    if (!body[name].is_string())
      return unprocessable(json{"body", name}.dump(), "Input should be a valid string", "string_type");
  }
  json account = fresh_account(body, call.client());
  const auto key = account["bookmaker"].get<std::string>() + '/' + account["username"].get<std::string>();
  if (call.vendor.book_of(Api::abp).accounts().contains(key))
    return error_object(409, "Account already exists", "CONFLICT");
  if (const auto wrong = lay_over(account, body)) return wrong_type(*wrong);
  keep(call, "INSERT", account);
  return json_response(201, account.dump());
}

HttpResponse update(const Call& call, const Row& row) {
  const json body = json::parse(call.request.body, nullptr, false);
  if (!body.is_object()) return unprocessable(R"(["body", 0])", "JSON decode error", "json_invalid");
  json account = json::parse(row.json);
  if (const auto wrong = lay_over(account, body)) return wrong_type(*wrong);
  keep(call, "UPDATE", account);
  return json_response(200, account.dump());
}

}  // namespace

HttpResponse list_accounts(const Call& call) {
  const auto bookmaker = call.request.parameter("bookmaker");
  std::vector<const Row*> rows;
  for (const auto& [name, row] : call.vendor.book_of(Api::abp).accounts()) {
    if (row.client == call.client() && (!bookmaker || row.venue == *bookmaker)) rows.push_back(&row);
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const Row* a, const Row* b) { return priority_of(*a) > priority_of(*b); });
  std::string body;
  for (const Row* row : rows)
    body += (body.empty() ? "" : ",") + row->json;
  return json_response(200, "[" + body + "]");
}

HttpResponse answer_account(const Call& call, const std::string& name) {
  const auto& method = call.request.method;
  if (name.empty()) return method == "POST" ? create(call) : method_not_allowed();
  if (method != "GET" && method != "PATCH" && method != "DELETE") return method_not_allowed();
  Book& book = call.vendor.book_of(Api::abp);
  const auto found = book.accounts().find(name);
  if (found == book.accounts().end()) return not_found("Account");
  const Row row = found->second;
  if (row.client != call.client())
    return method == "GET" ? not_found("Account")
                           : error_object(403, "Access denied to this account", "FORBIDDEN");
  if (method == "GET") return json_response(200, row.json);
  if (method == "PATCH") return update(call, row);
  book.remove_account(name);
  tell_abp(call.vendor, "accounts", "DELETE", row.json, call.client());
  return {204, {}, {}};
}

}  // namespace bridge55::sim
