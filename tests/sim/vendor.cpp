#include "tests/sim/vendor.hpp"

namespace bridge55::sim {

Vendor::Vendor(Options given)
    : options(std::move(given)),
      books{Book(options.book), Book(options.book), Book(0)},
      journal(journal_size(options)),
      requests(options.request_log),
      placements(options.times.dedup) {
  for (const auto& key : options.abp_keys)
    abp_keys.push_back(KeyEntry{.key = key});
  for (const auto& key : options.mm_keys)
    mm_keys.push_back(KeyEntry{.key = key});
  for (const auto& key : options.scraping_keys)
    scraping_keys.push_back(KeyEntry{.key = key});
}

std::deque<KeyEntry>& Vendor::keys_of(Api api) {
  return api == Api::abp ? abp_keys : api == Api::mm ? mm_keys : scraping_keys;
}

KeyEntry* Vendor::find_key(Api api, std::string_view key) {
  for (auto& entry : keys_of(api)) {
    if (entry.key.key == key) return &entry;
  }
  return nullptr;
}

std::string masked(std::string_view key) {
  return std::string(key.substr(0, 4)) + "\u2026";
}

}  // namespace bridge55::sim
