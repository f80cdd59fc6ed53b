// A JSON text with placeholders in its strings, as a config writes it: `{"type":"ack","seq":"{seq}"}`. Pure;
// any thread.
#pragma once

#include "daemon/events/template_parts.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace bridge55::events {

class JsonTemplate {
 public:
  // The template, or what is wrong with it. Placeholders count in string values; keys stay as they are.
  static std::variant<JsonTemplate, std::string> compile(std::string_view json);

  // Asks for the raw JSON token of each name; an empty answer is "not there". A string that is one
  // placeholder alone becomes the token itself, so that a number stays a number with all its digits; inside
  // other text strings appear decoded. Missing and null: `_`.
  std::string render(const std::function<std::string_view(std::string_view name)>& raw_token_of) const;

 private:
  struct Part {
    TemplatePart part;   // literals are JSON text already
    bool alone = false;  // the whole string, quotes included
  };
  std::string add_string(std::string_view string);
  void add_literal(std::string_view text);

  std::vector<Part> parts_;
};

}  // namespace bridge55::events
