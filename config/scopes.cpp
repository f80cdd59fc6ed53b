#include "config/scopes.hpp"

#include "config/config.hpp"

#include <array>
#include <utility>

namespace bridge55::config {
namespace {

constexpr std::array<std::pair<std::string_view, Scope>, 7> scopes{{{"events", Scope::events},
                                                                    {"read", Scope::read},
                                                                    {"scrape", Scope::scrape},
                                                                    {"trade", Scope::trade},
                                                                    {"cancel", Scope::cancel},
                                                                    {"accounts", Scope::accounts},
                                                                    {"admin", Scope::admin}}};

constexpr unsigned bit(Scope scope) {
  return static_cast<unsigned>(scope);
}

}  // namespace

unsigned scope_bit(std::string_view name) {
  for (const auto& [known, scope] : scopes)
    if (known == name) return scope == Scope::trade ? bit(scope) | bit(Scope::cancel) : bit(scope);
  return 0;
}

std::vector<std::string> scope_names(unsigned bits) {
  std::vector<std::string> names;
  for (const auto& [name, scope] : scopes) {
    const bool implied = scope == Scope::cancel && (bits & bit(Scope::trade)) != 0;
    if ((bits & bit(scope)) != 0 && !implied) names.emplace_back(name);
  }
  return names;
}

}  // namespace bridge55::config
