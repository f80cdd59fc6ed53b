// What reading and writing heads share (RFC 9110, sections 5.5 and 5.6). Pure.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace bridge55::net {

constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

inline bool same_name(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (lower(a[i]) != lower(b[i])) return false;
  return true;
}

inline std::string_view trimmed(std::string_view text) {
  const auto space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && space(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && space(text.back()))
    text.remove_suffix(1);
  return text;
}

enum : unsigned char { kTokenChar = 1, kValueChar = 2 };

// One look-up a byte: heads are read for every request.
inline constexpr auto kCharClass = [] {
  std::array<unsigned char, 256> table{};
  for (unsigned c = 0; c < 256; ++c)
    table[c] = (c >= 0x20 && c != 0x7f) || c == '\t' ? kValueChar : 0;
  for (unsigned c = '0'; c <= '9'; ++c)
    table[c] |= kTokenChar;
  for (unsigned c = 'a'; c <= 'z'; ++c)
    table[c] |= kTokenChar, table[c - 0x20] |= kTokenChar;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~"))
    table[static_cast<unsigned char>(c)] |= kTokenChar;
  return table;
}();

inline bool all_of_class(std::string_view text, unsigned char which) {
  unsigned char all = which;
  for (const char c : text)
    all &= kCharClass[static_cast<unsigned char>(c)];
  return all == which;
}

inline bool is_token(std::string_view text) {
  return !text.empty() && all_of_class(text, kTokenChar);
}

// No control character but the tab; bytes beyond ASCII pass, as obs-text.
inline bool is_field_value(std::string_view text) {
  return all_of_class(text, kValueChar);
}

}  // namespace bridge55::net
