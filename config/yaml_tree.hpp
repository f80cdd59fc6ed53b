// A YAML document as plain nodes with exact positions. yaml-cpp only tokenises: it would take the first of
// duplicate keys, read `010` as 8 and `on` as a boolean, and accept a quote that is never closed, so the tree
// keeps every pair and every scalar's text.
// `${…}` keeps its braces even inside `{…}`, where plain YAML would end the scalar at them.
// Bounded: 1 MiB of text, 100,000 nodes and another 1 MiB of text repeated by aliases, and yaml-cpp's own 500
// levels.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bridge55::config {

constexpr std::size_t max_text = std::size_t{1} << 20;
constexpr std::size_t max_nodes = 100'000;

// Both count from 1; columns in characters.
struct Position {
  int line = 1;
  int column = 1;
  friend auto operator<=>(const Position&, const Position&) = default;
};

struct Entry;

struct TreeNode {
  enum class Kind { null, scalar, list, mapping };
  Kind kind = Kind::null;
  Position at;
  std::string text;   // scalar: as written, quotes and escapes resolved
  bool plain = true;  // scalar: written without quotes
  std::vector<TreeNode> items;
  std::vector<Entry> entries;  // in the order of the file, duplicates included
};

struct Entry {
  std::string key;
  Position at;
  TreeNode value;
};

struct TreeError {
  Position at;
  std::string what;  // without any text of the file
};

struct Tree {
  TreeNode root;  // null for an empty document
  std::optional<TreeError> error;
};

Tree read_tree(std::string_view text);

}  // namespace bridge55::config
