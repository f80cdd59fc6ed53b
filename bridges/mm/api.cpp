#include "bridges/mm/api.hpp"

#include "bridges/abp/placements.hpp"

namespace bridge55::mm {
namespace {

using config::Scope;
using gateway::Kind;
using gateway::Verdict;

constexpr unsigned bits(Scope scope) {
  return static_cast<unsigned>(scope);
}

// /api/v1/orders/{order_id}/cancel
bool cancels_one(std::string_view path) {
  constexpr std::string_view kPrefix = "/api/v1/orders/", kSuffix = "/cancel";
  if (!path.starts_with(kPrefix) || !path.ends_with(kSuffix)) return false;
  if (path.size() <= kPrefix.size() + kSuffix.size()) return false;
  path.remove_prefix(kPrefix.size());
  path.remove_suffix(kSuffix.size());
  return path.find('/') == std::string_view::npos;
}

class MmApi final : public gateway::Api {
 public:
  Verdict classify(std::string_view method, std::string_view path) const override {
    if (method == "GET" || method == "HEAD" || method == "OPTIONS")
      return {Kind::read, bits(Scope::read), false};
    if (method == "POST") {
      if (cancels_one(path)) return {Kind::cancel, bits(Scope::cancel), false};
      if (path == "/api/v1/orders/cancel-all") return {Kind::cancel_all, bits(Scope::cancel), false};
      // Stopping is safe at any time and more than once.
      if (path == "/api/v1/trading/pause" || path == "/api/v1/trading/stop")
        return {Kind::cancel, bits(Scope::cancel), false};
      if (path == "/api/v1/trading/start" || path == "/api/v1/trading/resume")
        return {Kind::start, bits(Scope::trade), false};
    }
    return {Kind::placement, bits(Scope::trade), false};
  }
  // MM documents no placement. What is none of the above must look like one of ABP's to be let through.
  const gateway::Dialect* dialect() const override { return &abp::placements(); }
};

}  // namespace

std::unique_ptr<gateway::Api> make_api() {
  return std::make_unique<MmApi>();
}

}  // namespace bridge55::mm
