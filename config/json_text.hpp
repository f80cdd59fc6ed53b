// Messages that an operator writes as YAML mappings and upstream gets as JSON (`login`, `ack`): RFC 8259
// text, compact.
#pragma once

#include "config/reading.hpp"
#include "config/yaml_tree.hpp"

#include <string>
#include <string_view>

namespace bridge55::config {

// Keys keep their order. Plain numbers, true, false and null stay what they are, digits and all; everything
// quoted or expanded is a string. Faults (a key twice, an expansion that fails) go to `reading`.
std::string json_of(const TreeNode& node, const std::string& path, Reading& reading);

std::string json_string(std::string_view text);  // quoted and escaped

// `${` in a value is that text and no expansion: written with the escape that the loader undoes.
std::string without_expansion(std::string text);

// Compact JSON as YAML can read it, with a space after `:` and `,`. Strings become `***` unless their member
// is one that never holds a secret (`type`, `channels`, …) or they are a template such as `{seq}`.
std::string shown_json(std::string_view json);

}  // namespace bridge55::config
