// Which header fields pass between an app and upstream: tables before branches. Hop-by-hop fields (RFC 9110,
// 7.6.1), what frames a message, keys, and what is said to the daemon alone stay behind. Pure.
#pragma once

#include "config/config.hpp"
#include "daemon/local/http_head.hpp"
#include "daemon/net/http_response.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace bridge55::gateway {

// Appends views of what goes upstream of an app's request. `key_header`: the upstream's, besides the usual.
void pass_up(const local::Head& head, std::string_view key_header, std::vector<net::HttpField>& fields);

// How long the app says that something may take; nothing where it does not. A refusal names the header.
std::variant<std::optional<config::Duration>, local::Refusal> asked_duration(const local::Head& head,
                                                                             std::string_view name);

// Views of what goes to the app of an answer's fields, and the same as header lines.
std::vector<net::HttpField> pass_down(const net::ResponseHead& head);
void append_lines(const net::ResponseHead& head, std::string& lines);
// Overwrites a key that upstream says back, byte for byte with asterisks. False: it is not in there.
bool mask_key(std::string& text, std::string_view key);
void append_line(std::string& lines, std::string_view name, std::string_view value);

}  // namespace bridge55::gateway
