// JSON and near-JSON from a seed: every failure can be repeated.
#pragma once

#include <random>
#include <string>
#include <string_view>

namespace bridge55::test {

class RandomJson {
 public:
  explicit RandomJson(unsigned seed) : random_(seed) {}

  std::size_t below(std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_);
  }

  std::string space() {
    std::string out;
    while (below(8) == 0)
      out += " \t\n\r"[below(4)];
    return out;
  }

  std::string digits(std::size_t most) {
    std::string out;
    for (std::size_t left = 1 + below(most); left > 0; --left)
      out += static_cast<char>('0' + below(10));
    return out;
  }

  std::string number() {
    std::string out = below(3) == 0 ? "-" : "";
    out += below(4) == 0 ? "0" : std::to_string(1 + below(9)) + (below(2) == 0 ? digits(24) : "");
    if (below(2) == 0) out += "." + digits(6);
    if (below(4) == 0)
      out += std::string(1, "eE"[below(2)]) + std::string(below(2) == 0 ? "-" : "") + digits(2);
    return out;
  }

  std::string string(std::size_t most = 40) {
    static constexpr std::string_view pieces[] = {
        "a", "order", "\\\"", "\\\\", "\\n", "\\u00e9", "\\ud83d\\ude00", "{", "}", "[", "]", ",", ":", " ",
        "é", "😀",     "\\/",  "0",    "_",   "\\t",     "\\\\\\\\"};
    std::string out = "\"";
    for (std::size_t left = below(most); left > 0; --left)
      out += pieces[below(std::size(pieces))];
    return out + "\"";
  }

  std::string value(int depth = 5) {
    const std::size_t kind = below(depth > 0 ? 8 : 5);
    if (kind == 0) return std::string(below(2) == 0 ? "true" : "false");
    if (kind == 1) return "null";
    if (kind < 4) return number();
    if (kind == 4) return string();
    const bool object = kind != 5;
    std::string out(1, object ? '{' : '[');
    const std::size_t count = below(6);
    for (std::size_t i = 0; i < count; ++i) {
      if (i > 0) out += ",";
      out += space();
      if (object) out += string(6) + space() + ":" + space();
      out += value(depth - 1) + space();
    }
    return out + (object ? "}" : "]");
  }

  // One to three bytes changed, taken out or put in.
  std::string damaged(std::string text) {
    static constexpr std::string_view bytes = "{}[]\",:0e+-.\\ tu\x01\xff\xc3n";
    for (std::size_t left = 1 + below(3); left > 0 && !text.empty(); --left) {
      const std::size_t at = below(text.size());
      const std::size_t how = below(3);
      if (how == 0) text[at] = bytes[below(bytes.size())];
      if (how == 1) text.erase(at, 1);
      if (how == 2) text.insert(at, 1, bytes[below(bytes.size())]);
    }
    return text;
  }

 private:
  std::mt19937 random_;
};

}  // namespace bridge55::test
