#include "tests/sim/vendor.hpp"

#include <strings.h>

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

bool take_token(Vendor& vendor, const std::string& key) {
  const Options& o = vendor.options;
  const double burst = o.scraping_burst > 0 ? o.scraping_burst : o.scraping_rps;
  if (vendor.scraping.usage(key).bucket.take(o.scraping_rps, burst, Clock::now())) return true;
  ++vendor.stats_of(Api::scraping).rest_limited;
  return false;
}

std::string masked_keys(const Vendor& vendor, std::string text) {
  for (const auto& entry : vendor.scraping_keys) {
    const auto& key = entry.key.key;
    for (auto at = text.find(key); at != std::string::npos; at = text.find(key, at))
      text.replace(at, key.size(), masked(key));
  }
  return text;
}

Fields masked_fields(const Fields& fields) {
  Fields shown = fields;
  for (auto& [name, value] : shown) {
    const bool secret = strcasecmp(name.c_str(), "x-api-key") == 0 ||
                        strcasecmp(name.c_str(), "x-abp-api-key") == 0 ||
                        strcasecmp(name.c_str(), "authorization") == 0;
    if (secret) value = masked(value);
  }
  return shown;
}

std::string masked(std::string_view key) {
  return std::string(key.substr(0, 4)) + "\u2026";
}

}  // namespace bridge55::sim
