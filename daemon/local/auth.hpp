// Who an app is and what it may do (contract, section 9): by token, or on a UNIX socket by the peer's user
// and groups. Pure: names of users and groups are resolved when the settings are read.
#pragma once

#include "config/config.hpp"
#include "daemon/local/app.hpp"
#include "daemon/local/http_head.hpp"
#include "daemon/local/refusal.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <variant>
#include <vector>

namespace bridge55::local {

// The far end of a connection, as the kernel tells it.
struct Peer {
  bool unix_socket = false;
  std::optional<uid_t> uid;     // SO_PEERCRED
  std::vector<gid_t> groups;    // the primary one and SO_PEERGROUPS
  std::optional<App> app = {};  // of a request from inside the daemon: known without asking
};

struct NameService {
  std::function<std::optional<uid_t>(const std::string&)> user;
  std::function<std::optional<gid_t>(const std::string&)> group;
  static NameService system();  // getpwnam_r and getgrnam_r
};

class Clients {
 public:
  // Absent: section 9's defaults. Users and groups that do not exist are named in `unresolved`; their entries
  // match nobody.
  Clients(const std::optional<std::vector<config::Client>>& settings, const NameService& names);

  // The app behind a request; 401 where it is none that the config knows.
  std::variant<App, Refusal> identify(const Peer& peer, const Head& head) const;
  // The same where the request has no token of its own: by the key of a vendor's login message.
  std::variant<App, Refusal> identify(const Peer& peer, const Head& head, std::string_view key) const;
  // Whether this header of a request holds a token that somebody signs in with.
  bool is_token(const Header& header) const;
  // The app behind a UNIX feed, which has no headers.
  std::variant<App, Refusal> identify(const Peer& peer) const;
  // 403 with how to allow it, where the app has none of these scopes.
  std::optional<Refusal> require(const App& app, unsigned any_of, const Peer& peer) const;

  bool configured() const { return configured_; }
  // What the client of that name may do now; nothing where it is gone.
  std::optional<unsigned> scopes_of(const std::string& name) const;
  const std::vector<std::string>& unresolved() const { return unresolved_; }

 private:
  using Digest = std::array<std::uint8_t, 32>;
  struct Entry {
    std::string name;
    unsigned scopes = 0;
    std::optional<Digest> token;  // SHA-256, so that comparing takes the same time for every token
    std::optional<uid_t> user;
    std::optional<gid_t> group;
  };
  static Digest digest(std::string_view token);
  const Entry* by_token(std::string_view token) const;
  const Entry* by_peer(const Peer& peer) const;

  bool configured_ = false;
  std::vector<Entry> entries_;
  std::vector<std::string> unresolved_;
};

std::string_view scope_name(config::Scope scope);

}  // namespace bridge55::local
