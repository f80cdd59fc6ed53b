// A polled page: what POST /fetch is asked for, what its answer says, and whether that is an event (vendor
// docs, "Fetch response format"). Pure.
#pragma once

#include "bridges/scraping/standing/ends.hpp"
#include "config/config.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bridge55::scraping::standing {

struct PageAsk {
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  bool repeatable = false;  // the method changes nothing at the target
};
PageAsk ask_for_page(const config::Relay& relay);

// One answer with status 200. Views are into the answer.
struct Page {
  bool blocked = false;
  std::string node_id;
  std::string_view status, final_url, elapsed_ms;  // tokens as sent
  std::string text;                                // `raw`
  std::string_view json;                           // the bytes of `raw_json`, where there is no `raw`
  unsigned status_code() const;
  std::string_view body() const { return json.empty() ? std::string_view(text) : json; }
};
// Empty, or why the answer cannot be understood.
std::string_view read_page(std::string_view answer, Page& into);
void append_page_relay(std::string& out, const Page& page);

// What became of a poll.
enum class Polled { fresh, unchanged, blocked, failed };
std::string_view name_of(Polled what);

// Remembers what was told last, in memory alone: the first good poll after a start is told.
class Changes {
 public:
  explicit Changes(bool always) : always_(always) {}
  // Whether this body is an event; it counts as told then.
  bool is_news(std::string_view body);

 private:
  const bool always_;
  std::optional<std::array<std::uint8_t, 32>> last_;  // SHA-256
};

}  // namespace bridge55::scraping::standing
