#include "bridges/abp/api.hpp"

#include "bridges/abp/placements.hpp"

namespace bridge55::abp {
namespace {

using config::Scope;
using gateway::Kind;
using gateway::Verdict;

constexpr unsigned bits(Scope scope) {
  return static_cast<unsigned>(scope);
}

class AbpApi final : public gateway::Api {
 public:
  Verdict classify(std::string_view method, std::string_view path) const override {
    if (method == "GET" || method == "HEAD" || method == "OPTIONS")
      return {Kind::read, bits(Scope::read), false};
    if (method == "POST" && path == "/cancel-orders") return {Kind::cancel, bits(Scope::cancel), false};
    if (method == "POST" && path == "/cancel-all-orders")
      return {Kind::cancel_all, bits(Scope::cancel), false};
    const bool accounts = path == "/accounts" || path.starts_with("/accounts/");
    if (accounts && (method == "POST" || method == "PATCH" || method == "DELETE"))
      return {Kind::write, bits(Scope::accounts), false};
    // What nobody here knows might cost money: it is treated as what does.
    return {Kind::placement, bits(Scope::trade), false};
  }
  const gateway::Dialect* dialect() const override { return &placements(); }
};

}  // namespace

std::unique_ptr<gateway::Api> make_api() {
  return std::make_unique<AbpApi>();
}

}  // namespace bridge55::abp
