#include "daemon/local/auth.hpp"

#include "daemon/local/text.hpp"

#include <algorithm>
#include <grp.h>
#include <pwd.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

namespace bridge55::local {
namespace {

using config::Scope;

constexpr unsigned bits(Scope scope) {
  return static_cast<unsigned>(scope);
}
constexpr unsigned kTcpDefault = bits(Scope::events) | bits(Scope::read) | bits(Scope::scrape);
constexpr unsigned kAll =
    kTcpDefault | bits(Scope::trade) | bits(Scope::cancel) | bits(Scope::accounts) | bits(Scope::admin);

Refusal unauthorized(std::string message) {
  return Refusal{401, "UNAUTHORIZED", std::move(message), {{"WWW-Authenticate", "Bearer"}}, {}};
}

std::optional<std::string_view> bearer_token(std::string_view authorization) {
  constexpr std::string_view kBearer = "bearer ";
  if (!same_ignoring_case(authorization.substr(0, kBearer.size()), kBearer)) return {};
  return trim(authorization.substr(kBearer.size()));
}

// The tokens a request offers: `Authorization: Bearer` first.
std::vector<std::string_view> offered_tokens(const Head& head) {
  std::vector<std::string_view> tokens;
  if (const auto bearer = bearer_token(head.get("authorization"))) tokens.push_back(*bearer);
  if (const std::string* key = head.find("x-api-key")) tokens.push_back(*key);
  return tokens;
}

std::optional<uid_t> user_id(const std::string& name) {
  std::string buffer(16384, '\0');
  passwd entry{};
  passwd* found = nullptr;
  if (getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || !found) return {};
  return found->pw_uid;
}

std::optional<gid_t> group_id(const std::string& name) {
  std::string buffer(65536, '\0');
  group entry{};
  group* found = nullptr;
  if (getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || !found) return {};
  return found->gr_gid;
}

}  // namespace

NameService NameService::system() {
  return {user_id, group_id};
}

Clients::Digest Clients::digest(std::string_view token) {
  Digest out{};
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), out.data());
  return out;
}

Clients::Clients(const std::optional<std::vector<config::Client>>& settings, const NameService& names)
    : configured_(settings.has_value()) {
  if (!settings) return;
  for (const config::Client& client : *settings) {
    Entry entry{client.name, client.allow, {}, {}, {}};
    if (entry.scopes & bits(Scope::trade)) entry.scopes |= bits(Scope::cancel);
    if (!client.token.empty()) entry.token = digest(client.token.reveal());
    if (!client.user.empty() && !(entry.user = names.user(client.user)))
      unresolved_.push_back("user " + client.user);
    if (!client.group.empty() && !(entry.group = names.group(client.group)))
      unresolved_.push_back("group " + client.group);
    entries_.push_back(std::move(entry));
  }
}

const Clients::Entry* Clients::by_token(std::string_view token) const {
  const Digest wanted = digest(token);
  const Entry* found = nullptr;
  // No early exit: how long this takes does not tell which entry matched.
  for (const Entry& entry : entries_) {
    if (entry.token && CRYPTO_memcmp(entry.token->data(), wanted.data(), wanted.size()) == 0 && !found)
      found = &entry;
  }
  return found;
}

const Clients::Entry* Clients::by_peer(const Peer& peer) const {
  const auto user = std::find_if(entries_.begin(), entries_.end(),
                                 [&](const Entry& e) { return e.user && e.user == peer.uid; });
  if (user != entries_.end()) return &*user;
  const auto group = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) {
    return e.group && std::find(peer.groups.begin(), peer.groups.end(), *e.group) != peer.groups.end();
  });
  return group == entries_.end() ? nullptr : &*group;
}

bool Clients::is_token(const Header& header) const {
  if (same_ignoring_case(header.name, "x-api-key")) return by_token(header.value) != nullptr;
  const auto bearer =
      same_ignoring_case(header.name, "authorization") ? bearer_token(header.value) : std::nullopt;
  return bearer && by_token(*bearer) != nullptr;
}

std::variant<App, Refusal> Clients::identify(const Peer& peer) const {
  if (peer.app) return *peer.app;
  if (!configured_) return App{{}, peer.unix_socket ? kAll : kTcpDefault, false};
  if (peer.unix_socket) {
    if (const Entry* entry = by_peer(peer)) return App{entry->name, entry->scopes, true};
    return unauthorized(
        "this user is no client; add `{name, user, allow}` or `{name, group, allow}` under clients:");
  }
  return unauthorized(
      "a token is needed: send `Authorization: Bearer …` or `X-API-Key`, as `clients:` of the config gives "
      "it");
}

std::variant<App, Refusal> Clients::identify(const Peer& peer, const Head& head) const {
  if (!configured_ || peer.app) return identify(peer);
  const auto tokens = offered_tokens(head);
  for (const std::string_view token : tokens) {
    if (const Entry* entry = by_token(token)) return App{entry->name, entry->scopes, true};
  }
  if (!tokens.empty())
    return unauthorized("this token belongs to no client; tokens are under clients: of the config");
  return identify(peer);
}

std::variant<App, Refusal> Clients::identify(const Peer& peer, const Head& head, std::string_view key) const {
  std::variant<App, Refusal> known = identify(peer, head);
  if (!configured_ || std::holds_alternative<App>(known)) return known;
  if (const Entry* entry = by_token(key)) return App{entry->name, entry->scopes, true};
  return known;
}

std::optional<Refusal> Clients::require(const App& app, unsigned any_of, const Peer& peer) const {
  if ((app.scopes & any_of) != 0) return {};
  const std::string wanted(
      scope_name(static_cast<Scope>(any_of & (~any_of + 1))));  // the lowest: the least that is needed
  if (peer.app) {
    return Refusal{403,
                   "FORBIDDEN",
                   "`" + app.name + "` may not do this; add `" + wanted + "` to `requests.allow` of the sink",
                   {},
                   {}};
  }
  if (app.identified) {
    return Refusal{
        403,
        "FORBIDDEN",
        "client `" + app.name + "` may not do this; add `" + wanted + "` to its `allow` under clients:",
        {},
        {}};
  }
  std::string how = "this needs the scope `" + wanted + "`; ";
  how += peer.unix_socket ? "add a client with it under clients:"
                          : "a TCP listener without `clients:` grants events, read and scrape only: use the "
                            "UNIX socket, or add a "
                            "client with a token under clients:";
  return Refusal{403, "FORBIDDEN", std::move(how), {}, {}};
}

std::optional<unsigned> Clients::scopes_of(const std::string& name) const {
  const auto it =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.name == name; });
  return it == entries_.end() ? std::nullopt : std::optional(it->scopes);
}

std::string_view scope_name(Scope scope) {
  switch (scope) {
    case Scope::events:
      return "events";
    case Scope::read:
      return "read";
    case Scope::scrape:
      return "scrape";
    case Scope::trade:
      return "trade";
    case Scope::cancel:
      return "cancel";
    case Scope::accounts:
      return "accounts";
    case Scope::admin:
      return "admin";
  }
  return "";
}

}  // namespace bridge55::local
