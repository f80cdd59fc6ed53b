#include "config/reader.hpp"

#include "config/expand.hpp"
#include "config/json_text.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

namespace bridge55::config {
namespace {

std::string_view written_as(const TreeNode& node) {
  switch (node.kind) {
    case TreeNode::Kind::null:
      return "has no value";
    case TreeNode::Kind::scalar:
      return "is a single value";
    case TreeNode::Kind::list:
      return "is a list";
    case TreeNode::Kind::mapping:
      return "is a mapping";
  }
  return "";
}

std::string_view expected_as(TreeNode::Kind kind) {
  return kind == TreeNode::Kind::list ? "a list" : "a mapping";
}

std::string told(std::string_view wrong, std::string_view expected) {
  return std::string(wrong) + "; expected " + std::string(expected);
}

std::string list_of_words(const std::set<std::string, std::less<>>& words) {
  std::string out;
  for (const std::string& word : words)
    out += (out.empty() ? "" : ", ") + word;
  return out;
}

// Insertions, deletions, substitutions and swaps of neighbours that lead from one word to the other.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before;  // the row above the last one
  std::vector<std::size_t> last(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::vector<std::size_t> row(b.size() + 1, i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1), last[j] + 1, row[j - 1] + 1});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = std::exchange(last, std::move(row));
  }
  return last.back();
}

}  // namespace

std::string_view nearest(std::string_view word, const std::set<std::string, std::less<>>& known) {
  if (word.size() > 64) return {};
  std::string_view best;
  std::size_t least = std::max<std::size_t>(word.size() / 3, 1) + 1;
  for (const std::string& candidate : known) {
    const std::size_t apart = distance(word, candidate);
    if (apart >= least) continue;
    least = apart;
    best = candidate;
  }
  return best;
}

Reader::Reader(const TreeNode& mapping, std::string path, Position parent, Reading& reading)
    : mapping_(mapping), path_(std::move(path)), parent_(parent), reading_(reading) {
  refuse_duplicates(mapping, path_);
}

void Reader::refuse_duplicates(const TreeNode& mapping, const std::string& path) {
  std::map<std::string_view, int> lines;
  for (const Entry& entry : mapping.entries) {
    const auto [first, added] = lines.emplace(entry.key, entry.at.line);
    if (added) continue;
    reading_.error(entry.at, child_path(path, printable(entry.key)),
                   told("is given twice, first on line " + std::to_string(first->second), "each key once"));
  }
}

// The entry of a key, nullptr where it is absent or does not belong here; both are reported as far as they
// are errors.
const Entry* Reader::find(const Key& key, std::string_view expected) {
  known_.emplace(key.name);
  if (key.applies || undecided_) usable_.emplace(key.name);
  const auto entry = std::find_if(mapping_.entries.begin(), mapping_.entries.end(),
                                  [&](const Entry& e) { return e.key == key.name; });
  if (entry == mapping_.entries.end()) {
    if (key.need == Need::none || undecided_) return nullptr;
    reading_.error(parent_, child(key.name), told("is missing", expected));
    undecided_ = undecided_ || key.decides;
    return nullptr;
  }
  if (key.applies || undecided_) return &*entry;
  reading_.error(entry->at, child(key.name),
                 told("does not apply here", "it only with " + std::string(key.applies_to)));
  return nullptr;
}

bool Reader::is_kind(const Entry& entry, const std::string& path, TreeNode::Kind kind) {
  reading_.place(path, {entry.at, entry.value.at});
  if (entry.value.kind == kind) return true;
  reading_.error(entry.value.at, path, told(written_as(entry.value), expected_as(kind)));
  return false;
}

void Reader::take(const std::string& path, const TreeNode& node, Position key, const Scalar& scalar) {
  const bool null_text = scalar.nulls && node.kind == TreeNode::Kind::null;
  if (node.kind != TreeNode::Kind::scalar && !null_text) {
    reading_.place(path, {key, node.at});
    reading_.error(node.at, path, told(written_as(node), scalar.expected));
    return;
  }
  const Expanded value = expand(node.text, reading_.environment());
  reading_.place(path, {key, node.at, value.from_outside});
  if (!value.error.empty()) {
    reading_.error(node.at, path, value.error);
    return;
  }
  if (scalar.bare && !node.plain && !value.from_outside) {
    reading_.error(node.at, path, told("is a quoted text", scalar.expected));
    return;
  }
  const std::string fault = scalar.set(value.text);
  if (fault.empty()) return;
  const bool quotable = !scalar.secret && !value.from_outside && !value.text.empty();
  reading_.error(node.at, path,
                 told((quotable ? "`" + printable(value.text) + "` " : "") + fault, scalar.expected));
}

void Reader::nested(const TreeNode& node, const std::string& path, Position parent, const Body& body) {
  Reader reader(node, path, parent, reading_);
  body(reader);
  reader.finish();
}

void Reader::scalar(const Key& key, const Scalar& scalar) {
  const Entry* entry = find(key, scalar.expected);
  if (entry == nullptr) return;
  take(child(key.name), entry->value, entry->at, scalar);
  undecided_ = undecided_ || (key.decides && reading_.has_error(child(key.name)));
}

void Reader::scalars(const Key& key, const Scalars& list) {
  const Entry* entry = find(key, list.alone ? "one value or a list" : "a list");
  if (entry == nullptr) return;
  const std::string path = child(key.name);
  if (list.alone && entry->value.kind == TreeNode::Kind::scalar) {
    list.resize(1);
    take(path, entry->value, entry->at, list.at(0));
    return;
  }
  if (!is_kind(*entry, path, TreeNode::Kind::list)) return;
  const auto& items = entry->value.items;
  list.resize(items.size());
  for (std::size_t i = 0; i < items.size(); ++i)
    take(item_path(path, i), items[i], items[i].at, list.at(i));
}

void Reader::dictionary(const Key& key, const Dictionary& dictionary) {
  const Entry* entry = find(key, "a mapping");
  const std::string path = child(key.name);
  if (entry == nullptr || !is_kind(*entry, path, TreeNode::Kind::mapping)) return;
  refuse_duplicates(entry->value, path);
  for (const Entry& item : entry->value.entries) {
    const std::string name = child_path(path, printable(item.key));
    const std::string fault = dictionary.refuse(item.key);
    if (!fault.empty()) reading_.error(item.at, name, told(fault, dictionary.key_help));
    if (fault.empty()) take(name, item.value, item.at, dictionary.at(item.key));
  }
}

void Reader::json(const Key& key, std::string& text) {
  const Entry* entry = find(key, "a mapping");
  const std::string path = child(key.name);
  if (entry == nullptr || !is_kind(*entry, path, TreeNode::Kind::mapping)) return;
  text = json_of(entry->value, path, reading_);
}

void Reader::section(const Key& key, const Body& body) {
  optional_section(key, {[] {}, [] { return true; }}, body);
}

void Reader::optional_section(const Key& key, const Optional& optional, const Body& body) {
  const Entry* entry = find(key, "a mapping");
  const std::string path = child(key.name);
  if (entry == nullptr || !is_kind(*entry, path, TreeNode::Kind::mapping)) return;
  optional.make();
  nested(entry->value, path, entry->at, body);
}

void Reader::scalar_or_section(const Key& key, const Scalar& scalar, const Body& body, bool) {
  const Entry* entry = find(key, scalar.expected);
  if (entry == nullptr) return;
  if (entry->value.kind != TreeNode::Kind::mapping) {
    take(child(key.name), entry->value, entry->at, scalar);
    return;
  }
  reading_.place(child(key.name), {entry->at, entry->value.at});
  nested(entry->value, child(key.name), entry->at, body);
}

void Reader::sections(const Key& key, const Sections& sections) {
  const Entry* entry = find(key, sections.named ? "a mapping of names" : "a list");
  const std::string path = child(key.name);
  if (entry == nullptr ||
      !is_kind(*entry, path, sections.named ? TreeNode::Kind::mapping : TreeNode::Kind::list))
    return;
  sections.begin();
  if (sections.named) return named_sections(*entry, path, sections);
  for (const TreeNode& item : entry->value.items) {
    const std::string name = item_path(path, sections.size());
    sections.add("");
    reading_.place(name, {item.at, item.at});
    if (item.kind != TreeNode::Kind::mapping)
      reading_.error(item.at, name, told(written_as(item), "a mapping"));
    if (item.kind == TreeNode::Kind::mapping)
      nested(item, name, item.at, [&](Visitor& visitor) { sections.describe(sections.size() - 1, visitor); });
  }
}

void Reader::named_sections(const Entry& entry, const std::string& path, const Sections& sections) {
  refuse_duplicates(entry.value, path);
  for (const Entry& item : entry.value.entries) {
    const std::string name = child_path(path, printable(item.key));
    if (!is_kind(item, name, TreeNode::Kind::mapping)) continue;
    sections.add(item.key);
    nested(item.value, name, item.at,
           [&](Visitor& visitor) { sections.describe(sections.size() - 1, visitor); });
  }
}

void Reader::on_read(const std::function<void(const Given& given)>& action) {
  action([this](std::string_view key) {
    const bool here = std::any_of(mapping_.entries.begin(), mapping_.entries.end(),
                                  [key](const Entry& e) { return e.key == key; });
    return here || reading_.given(child(key));
  });
}

void Reader::finish() {
  for (const Entry& entry : mapping_.entries) {
    if (known_.contains(entry.key)) continue;
    const std::string_view meant = nearest(entry.key, usable_);
    const std::string hint = meant.empty() ? "" : ", did you mean `" + std::string(meant) + "`?";
    reading_.error(entry.at, child(printable(entry.key)),
                   told("is not a known key" + hint, "one of " + list_of_words(usable_)));
  }
}

}  // namespace bridge55::config
