// `${NAME}`, `${NAME:-default}`, `${file:/path}` and `${credential:name}` inside a string. One pass: what
// comes in is data and is never expanded again. `$${` writes a literal `${`; every other `$` stands for
// itself.
#pragma once

#include "config/loader.hpp"

#include <string>
#include <string_view>

namespace bridge55::config {

constexpr std::size_t max_expansion = std::size_t{64} << 10;

struct Expanded {
  std::string text;
  bool from_outside = false;  // a variable, file or credential is in it: never show it
  std::string error;          // `what is wrong; expected …`, naming the variable or path and never a value
};

Expanded expand(std::string_view text, const Environment& environment);

}  // namespace bridge55::config
