// The scraping network's `/fetch`: the request for a page, and its answer taken apart into what the target
// said (vendor docs, Scraping API Quickstart; Scraping API Overview, "Fetch response format"). Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace bridge55::scraping {

struct FetchAsk {
  std::string method = "GET";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string_view body;  // UTF-8
};
std::string fetch_body(const FetchAsk& ask);

struct FetchedPage {
  unsigned status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // as reported; values that cannot be a header left out
  std::string body;  // the text of `raw`, or the bytes of `raw_json`
  std::string agent, final_url;
  bool blocked = false;
};
// The error is in words.
std::variant<FetchedPage, std::string> read_fetched_page(std::string_view answer);

}  // namespace bridge55::scraping
