// What one load gathers: errors and warnings by place, and where each key of the file stands, for the checks
// across keys.
#pragma once

#include "config/loader.hpp"
#include "config/yaml_tree.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace bridge55::config {

// More lines than this help nobody; a hostile file could make a million.
constexpr std::size_t max_errors = 1000;

struct Place {
  Position key;  // of a list's item: the item's own
  Position value;
  bool outside = false;  // expanded from a variable, file or credential: not to be quoted
};

class Reading {
 public:
  Reading(std::string file, const Environment& environment)
      : file_(std::move(file)), environment_(environment) {}

  const Environment& environment() const { return environment_; }
  void error(Position at, std::string_view path, std::string message);
  void warning(Position at, std::string_view path, std::string message);
  bool full() const { return errors_.size() > max_errors; }
  bool has_error(std::string_view path) const;  // at this path or below it
  std::vector<Error> take_errors();             // in the order of the file
  std::vector<Error> take_warnings();

  void place(const std::string& path, const Place& place) { places_[path] = place; }
  const Place* find(const std::string& path) const;
  bool given(const std::string& path) const { return find(path) != nullptr; }

 private:
  Error make(Position at, std::string_view path, std::string message) const;
  std::string file_;
  const Environment& environment_;
  std::vector<Error> errors_, warnings_;
  std::map<std::string, Place> places_;
};

// Safe to print in one line: control characters escaped, cut at 60 bytes.
std::string printable(std::string_view text);

std::string child_path(const std::string& parent, std::string_view key);
std::string item_path(const std::string& parent, std::size_t index);

}  // namespace bridge55::config
