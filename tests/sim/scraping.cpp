#include "tests/sim/scraping.hpp"

#include <algorithm>
#include <array>

namespace bridge55::sim {
namespace {

constexpr auto kLimited = std::chrono::seconds(60);
constexpr auto kUnavailable = std::chrono::seconds(300);

// Vendor docs: Scraping API Quickstart, step 1.
constexpr std::array<std::pair<std::string_view, int>, 12> kNodes{{{"AT", 22},
                                                                   {"DE", 20},
                                                                   {"US", 7},
                                                                   {"IT", 5},
                                                                   {"UK", 4},
                                                                   {"AU", 3},
                                                                   {"GR", 3},
                                                                   {"ES", 2},
                                                                   {"FR", 2},
                                                                   {"BG", 1},
                                                                   {"BR", 1},
                                                                   {"PL", 1}}};

double filled(double tokens, double rate, double burst, Clock::duration passed) {
  if (tokens < 0) return burst;
  return std::min(burst, tokens + rate * std::chrono::duration<double>(passed).count());
}

bool allows(const std::vector<std::string>& list, const std::string& value) {
  return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
}

}  // namespace

bool TokenBucket::take(double rate, double burst, TimePoint now) {
  if (rate <= 0) return true;
  tokens_ = filled(tokens_, rate, burst, now - at_);
  at_ = now;
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

double TokenBucket::remaining(double rate, double burst, TimePoint now) const {
  return filled(tokens_, rate, burst, now - at_);
}

ScrapingNetwork::ScrapingNetwork() {
  for (const auto& [country, count] : kNodes) {
    std::string slug(country);
    for (char& c : slug)
      c = static_cast<char>(c | 0x20);
    for (int i = 1; i <= count; ++i)
      agents_.push_back({slug + std::to_string(i), std::string(country)});
  }
}

std::optional<Agent> ScrapingNetwork::pick(const AgentFilter& filter, const std::string& domain,
                                           TimePoint now) {
  for (std::size_t i = 0; i < agents_.size(); ++i) {
    const Agent& agent = agents_[next_++ % agents_.size()];
    const bool wanted = allows(filter.countries, agent.country) && allows(filter.slugs, agent.slug);
    if (wanted && state(agent.slug, domain, now) == "available") return agent;
  }
  return std::nullopt;
}

void ScrapingNetwork::block(const std::string& slug, const std::string& domain, TimePoint now) {
  Block& block = blocks_[{domain, slug}];
  ++block.times;
  block.until = now + (block.times > 1 ? kUnavailable : kLimited);
}

std::string_view ScrapingNetwork::state(const std::string& slug, const std::string& domain,
                                        TimePoint now) const {
  const auto found = blocks_.find({domain, slug});
  if (found == blocks_.end() || now >= found->second.until) return "available";
  return found->second.times > 1 ? "unavailable" : "limited";
}

}  // namespace bridge55::sim
