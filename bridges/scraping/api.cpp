#include "bridges/scraping/api.hpp"

#include "daemon/events/json.hpp"

#include <charconv>

namespace bridge55::scraping {
namespace {

using gateway::Kind;
using gateway::Verdict;

std::optional<double> number(std::string_view token) {
  double value = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
  if (token.empty() || error != std::errc{} || end != token.data() + token.size()) return {};
  return value;
}

class ScrapingApi final : public gateway::Api {
 public:
  Verdict classify(std::string_view method, std::string_view path) const override {
    const unsigned scope = static_cast<unsigned>(config::Scope::scrape);
    if (method == "GET" || method == "HEAD" || method == "OPTIONS") return {Kind::read, scope, false};
    return {Kind::write, scope, path == "/browser" || path == "/amqp"};
  }
  bool fetches_for_apps() const override { return true; }
  std::string_view usage_path() const override { return "/usage"; }
  // Vendor docs: Scraping API Authentication, "Rate limits".
  std::optional<gateway::Limiter::Usage> read_usage(std::string_view body) const override {
    if (!json::validate_copy(body).empty()) return {};
    const auto rps = number(json::find(body, "rate_limit.rps"));
    const auto burst = number(json::find(body, "rate_limit.burst"));
    const auto remaining = number(json::find(body, "rate_limit.remaining"));
    if (!rps || !burst || !remaining || *rps <= 0 || *burst < 1) return {};
    return gateway::Limiter::Usage{*rps, *burst, *remaining};
  }
};

}  // namespace

std::unique_ptr<gateway::Api> make_api() {
  return std::make_unique<ScrapingApi>();
}

}  // namespace bridge55::scraping
