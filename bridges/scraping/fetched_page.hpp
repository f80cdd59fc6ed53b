// The scraping network's `/fetch`: the body that asks for a page, and its answer taken apart (vendor docs,
// Scraping API Quickstart; Scraping API Overview, "Fetch response format"). Pure.
#pragma once

#include "config/config.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bridge55::scraping {

struct FetchAsk {
  std::string method = "GET";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string_view body;                     // UTF-8
  std::optional<config::Duration> timeout;   // of the target; none: the vendor's
  std::optional<bool> allow_redirects = {};  // none: the vendor's
};
std::string fetch_body(const FetchAsk& ask);

// One answer with status 200. Views are into the answer.
struct FetchedPage {
  bool blocked = false;
  std::string node_id;
  std::string_view status, final_url, elapsed_ms;  // tokens as sent
  std::string_view headers;                        // the object, as sent
  std::string text;                                // `raw`
  std::string_view json;                           // the bytes of `raw_json`, where there is no `raw`
  unsigned status_code() const;
  std::string_view body() const { return json.empty() ? std::string_view(text) : json; }
  // Names and values; what cannot be a header is left out.
  std::vector<std::pair<std::string, std::string>> fields() const;
};
// Empty, or why the answer cannot be understood.
std::string_view read_fetched_page(std::string_view answer, FetchedPage& into);

// A span of time as the vendor writes one: seconds, with a point where it needs one.
std::string in_seconds(config::Duration time);

}  // namespace bridge55::scraping
