#include "bridges/upstream/keys.hpp"

#include "daemon/events/json.hpp"

#include <algorithm>

namespace bridge55::upstream {
namespace {

constexpr std::size_t kMaxParts = 4;
using Tokens = std::array<std::array<std::string_view, 2>, kMaxParts>;

// One pass over the payload; the last of duplicate names counts.
Tokens collect(const ChannelKey& wanted, std::string_view payload) {
  Tokens tokens{};
  const bool escapes = payload.find('\\') != payload.npos;  // rare: names need not be decoded without
  json::members(payload, [&](std::string_view key, std::string_view value) {
    for (std::size_t i = 0; i < wanted.count; ++i) {
      for (std::size_t n = 0; n < 2; ++n) {
        const std::string_view name = wanted.parts[i].names[n];
        if (name.empty()) continue;
        if (key == name || (escapes && json::same_name(key, name))) tokens[i][n] = value;
      }
    }
    return true;
  });
  return tokens;
}

bool usable(std::string_view token) {
  return json::is_string(token) || json::is_number(token);
}

// Appends the part's text; false where there is none.
bool append(std::string& out, std::string_view token) {
  if (!usable(token)) return false;
  const std::size_t before = out.size();
  if (json::is_string(token)) {
    out += json::text(token);
  } else {
    out += token;
  }
  return out.size() > before;
}

}  // namespace

std::string_view key_of(std::span<const ChannelKey> table, std::string_view channel, std::string_view payload,
                        std::string& buffer) {
  const auto row = std::ranges::find(table, channel, &ChannelKey::channel);
  if (row == table.end()) return {};
  if (row->count == 0) return "-";
  const Tokens tokens = collect(*row, payload);
  if (row->count == 1) {  // the usual case needs no copy
    const std::string_view token = usable(tokens[0][0]) ? tokens[0][0] : tokens[0][1];
    if (json::is_number(token)) return token;
    if (json::is_string(token) && token.find('\\') == token.npos) return token.substr(1, token.size() - 2);
  }
  buffer.clear();
  for (std::size_t i = 0; i < row->count; ++i) {
    const KeyPart& part = row->parts[i];
    const std::size_t before = buffer.size();
    if (part.separator != 0) buffer.push_back(part.separator);
    if (append(buffer, tokens[i][0]) || append(buffer, tokens[i][1])) continue;
    if (!part.optional) return {};
    buffer.resize(before);
  }
  return buffer;
}

}  // namespace bridge55::upstream
