#include "tests/sim/vendor.hpp"

namespace bridge55::sim {

Vendor::Vendor(Options given)
    : options(std::move(given)),
      books{Book(options.book), Book(options.book)},
      journal(journal_size(options)) {
  for (const auto& key : options.abp_keys)
    abp_keys.push_back({key, 0, {}, {}});
  for (const auto& key : options.mm_keys)
    mm_keys.push_back({key, 0, {}, {}});
}

KeyEntry* Vendor::find_key(Api api, std::string_view key) {
  for (auto& entry : api == Api::abp ? abp_keys : mm_keys) {
    if (entry.key.key == key) return &entry;
  }
  return nullptr;
}

std::string masked(std::string_view key) {
  return std::string(key.substr(0, 4)) + "\u2026";
}

}  // namespace bridge55::sim
