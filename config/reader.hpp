// Fills a Config from a YAML tree by the description of describe.hpp: the strict half of the loader.
#pragma once

#include "config/reading.hpp"
#include "config/visitor.hpp"

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace bridge55::config {

// Reads one mapping; nested mappings get a reader of their own. A key that was not described when `finish`
// runs is unknown.
class Reader final : public Visitor {
 public:
  // `parent`: where an absent key is reported. All three outlive the reader.
  Reader(const TreeNode& mapping, std::string path, Position parent, Reading& reading);

  void scalar(const Key& key, const Scalar& scalar) override;
  void scalars(const Key& key, const Scalars& list) override;
  void dictionary(const Key& key, const Dictionary& dictionary) override;
  void json(const Key& key, std::string& text) override;
  void section(const Key& key, const Body& body) override;
  void optional_section(const Key& key, const Optional& optional, const Body& body) override;
  void sections(const Key& key, const Sections& sections) override;
  void scalar_or_section(const Key& key, const Scalar& scalar, const Body& body, bool needs_body) override;
  void on_read(const std::function<void(const Given& given)>& action) override;

  void finish();

 private:
  const Entry* find(const Key& key, std::string_view expected);
  std::string child(std::string_view key) const { return child_path(path_, key); }
  void refuse_duplicates(const TreeNode& mapping, const std::string& path);
  bool is_kind(const Entry& entry, const std::string& path, TreeNode::Kind kind);
  void take(const std::string& path, const TreeNode& node, Position key, const Scalar& scalar);
  void nested(const TreeNode& node, const std::string& path, Position parent, const Body& body);
  void named_sections(const Entry& entry, const std::string& path, const Sections& sections);

  const TreeNode& mapping_;
  std::string path_;
  Position parent_;
  Reading& reading_;
  std::set<std::string, std::less<>> known_;
  std::set<std::string, std::less<>> usable_;  // known and applying: worth suggesting
  bool undecided_ = false;                     // a key on which others depend is wrong
};

// The known word that a mistyped one was most likely meant to be; empty where none is near.
std::string_view nearest(std::string_view word, const std::set<std::string, std::less<>>& known);

}  // namespace bridge55::config
