// A set of texts that is asked with views: short lists are walked, long ones hashed. Built once, read from
// any thread.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace bridge55::events {

class TextSet {
 public:
  TextSet() = default;
  explicit TextSet(const std::vector<std::string>& texts) {
    if (texts.size() <= kWalked) {
      few_ = texts;
    } else {
      many_.insert(texts.begin(), texts.end());
    }
  }
  bool empty() const { return few_.empty() && many_.empty(); }
  bool contains(std::string_view text) const {
    return many_.empty() ? std::find(few_.begin(), few_.end(), text) != few_.end()
                         : many_.find(text) != many_.end();
  }
  // An empty list of a match asks for nothing in particular.
  bool admits(std::string_view text) const { return empty() || contains(text); }

 private:
  static constexpr std::size_t kWalked = 8;
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  std::vector<std::string> few_;
  std::unordered_set<std::string, Hash, std::equal_to<>> many_;
};

}  // namespace bridge55::events
