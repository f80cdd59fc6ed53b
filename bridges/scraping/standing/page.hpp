// A polled page: what POST /fetch is asked for, and whether what it says is an event. Pure.
#pragma once

#include "bridges/scraping/fetched_page.hpp"
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

// The `relay` object of its event.
void append_page_relay(std::string& out, const FetchedPage& page);

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
