// What the gateway must know of one vendor's REST API: which path is what, and how its placements look.
// Implemented in bridges/, one table a vendor. Pure.
#pragma once

#include "config/config.hpp"
#include "daemon/gateway/limiter.hpp"

#include <memory>
#include <optional>
#include <string_view>

namespace bridge55::gateway {

class Dialect;

enum class Kind {
  read,
  cancel,      // of some orders, by name
  cancel_all,  // takes what is open at that moment: not to be repeated late
  placement,
  start,  // begins or resumes trading without naming an order: refused while paused
  write,
};
std::string_view name_of(Kind kind);

struct Verdict {
  Kind kind = Kind::read;
  unsigned scopes = 0;       // config::Scope bits, any of which opens it
  bool key_in_body = false;  // the vendor also reads its key from the JSON body: the app's is taken out
};

class Api {
 public:
  virtual ~Api() = default;
  // `path`: decoded, below the upstream's name, without empty segments and final slash.
  virtual Verdict classify(std::string_view method, std::string_view path) const = 0;
  // How placements look; null where the vendor has none.
  virtual const Dialect* dialect() const { return nullptr; }
  // Whether the answers are those of pages fetched on an app's behalf, whose 502 and 504 are no failure of
  // the vendor, and whose time limit the app asks for.
  virtual bool fetches_for_apps() const { return false; }
  // The path that tells what is left of the limit, and what its answer says; empty where there is none.
  virtual std::string_view usage_path() const { return {}; }
  virtual std::optional<Limiter::Usage> read_usage(std::string_view) const { return {}; }
};

using MakeApi = std::unique_ptr<Api> (*)(config::UpstreamKind);

}  // namespace bridge55::gateway
