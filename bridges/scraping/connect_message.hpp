// The first message of a relay, from us to the scraping network, and the two that it may answer with (vendor
// docs, "WebSocket Protocol Reference"). Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace bridge55::scraping {

// What a relay is asked for where we write the message ourselves.
struct RelayAsk {
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers, cookies;
  std::string geo, agent;             // empty: any
  std::chrono::milliseconds idle{0};  // 0: none
};
std::string connect_message(const RelayAsk& ask, std::string_view api_key);

// An app's own connect message: every byte stays but for the key, which becomes ours. `key` is what the app
// had in its place. The error is the vendor's text for a message that is none.
struct AppMessage {
  std::string text, key, url;
};
std::variant<AppMessage, std::string> rewrite_connect_message(std::string_view message,
                                                              std::string_view api_key);

// What the network answered.
struct Connected {
  std::string node_id;
};
struct RelayError {
  std::string message;
};
// Nothing: neither of the two.
std::optional<std::variant<Connected, RelayError>> read_relay_answer(std::string_view text);

// Whether the network's words are about the limit (vendor docs, "Error scenarios": `Rate limit exceeded`).
bool speaks_of_limit(std::string_view words);

}  // namespace bridge55::scraping
