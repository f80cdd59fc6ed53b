#pragma once
// What the Scraping API knows: its agents, who is blocked where, and each key's bucket and usage. Time is a
// parameter.

#include "tests/sim/types.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bridge55::sim {

struct Agent {
  std::string slug, country;
  std::string id() const { return "scraping-" + slug; }
};

/// A key's token bucket ("Rate limits": requests a second, burst capacity).
class TokenBucket {
 public:
  /// Takes a token if there is one. A rate of 0 never refuses.
  bool take(double rate, double burst, TimePoint now);
  double remaining(double rate, double burst, TimePoint now) const;

 private:
  double tokens_ = -1;  // below 0: full
  TimePoint at_{};
};

struct ScrapingUsage {
  TokenBucket bucket;
  std::uint64_t total = 0, success = 0, bytes = 0;
  std::map<std::string, std::uint64_t> by_protocol, domains;
};

/// Which agents a request allows; empty lists allow all.
struct AgentFilter {
  std::vector<std::string> countries, slugs;
};

class ScrapingNetwork {
 public:
  ScrapingNetwork();

  const std::vector<Agent>& agents() const { return agents_; }
  /// The next healthy agent for the domain; nothing if there is none.
  std::optional<Agent> pick(const AgentFilter& filter, const std::string& domain, TimePoint now);
  /// Excludes an agent for the domain, for longer at the second time.
  void block(const std::string& slug, const std::string& domain, TimePoint now);
  /// available, limited or unavailable.
  std::string_view state(const std::string& slug, const std::string& domain, TimePoint now) const;
  ScrapingUsage& usage(const std::string& key) { return usage_[key]; }

 private:
  struct Block {
    TimePoint until{};
    unsigned times = 0;
  };
  std::vector<Agent> agents_;
  std::size_t next_ = 0;
  std::map<std::pair<std::string, std::string>, Block> blocks_;  // by domain and slug
  std::map<std::string, ScrapingUsage> usage_;
};

}  // namespace bridge55::sim
