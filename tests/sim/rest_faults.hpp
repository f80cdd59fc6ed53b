#pragma once
// Faults of single REST requests. Several stand at once; of each aspect, the first that fits a request
// strikes.

#include "tests/sim/types.hpp"

#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace bridge55::sim {

struct HttpRequest;

/// What a fault acts on; one of each may strike the same request.
enum class Aspect : std::uint8_t { time, answer, wire };

struct RestFault {
  std::string name;
  Aspect aspect = Aspect::answer;
  // Whom it strikes.
  std::string path;    ///< prefix, empty = all
  std::string method;  ///< empty = all
  TimePoint until = TimePoint::max();
  std::uint64_t uses = std::numeric_limits<std::uint64_t>::max();
  double probability = 1;
  std::minstd_rand random{55};
  // What it does; each fault reads its own (README.md).
  unsigned status = 503;
  std::string body, content_type, text;
  std::vector<std::pair<std::string, std::string>> headers;
  milliseconds delay{0};
  std::size_t bytes = 0;
  std::int64_t by = 0;
  bool processed = false;
  bool fin = false;

  bool is_unlimited() const {
    return until == TimePoint::max() && uses == std::numeric_limits<std::uint64_t>::max();
  }
};

/// What strikes one request.
struct FaultPlan {
  std::optional<RestFault> time, answer, wire;
  bool wires(const char* name) const { return wire && wire->name == name; }
  bool answers(const char* name) const { return answer && answer->name == name; }
};

class RestFaults {
 public:
  /// An unlimited fault replaces an unlimited one of the same name and filters.
  void add(RestFault fault);
  void clear() { faults_.clear(); }
  /// `again`: the connection has served a request before.
  FaultPlan strike(const HttpRequest& request, bool again, TimePoint now);

 private:
  std::deque<RestFault> faults_;
};

/// The aspect of a fault by its name; nothing if there is no such fault.
std::optional<Aspect> aspect_of(const std::string& name);

}  // namespace bridge55::sim
