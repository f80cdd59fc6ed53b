#include "config/yaml_tree.hpp"

#include "config/source_text.hpp"

#include <map>
#include <sstream>
#include <utility>

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

namespace bridge55::config {
namespace {

// Whether the quoted scalar that begins here ends before the file does: yaml-cpp lets the end of the file
// close it.
bool quote_is_closed(std::string_view from) {
  const char quote = from.front();
  for (std::size_t i = 1; i < from.size(); ++i) {
    if (quote == '"' && from[i] == '\\') {
      ++i;
    } else if (from[i] == quote) {
      if (quote == '"' || i + 1 >= from.size() || from[i + 1] != '\'') return true;
      ++i;
    }
  }
  return false;
}

// Builds the tree from yaml-cpp's events. Errors leave it as exceptions of its own, which yaml-cpp passes
// through.
class Builder final : public YAML::EventHandler {
 public:
  explicit Builder(const SourceText& source) : source_(source) {}

  TreeNode take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) fail(mark, "holds a second document");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    TreeNode node;
    node.text = "null";
    node.at = null_position(mark);
    add(mark, anchor, std::move(node));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check_tag(mark, tag);
    TreeNode node;
    node.kind = TreeNode::Kind::scalar;
    node.plain = tag != "!";
    node.text = SourceText::unmasked(value);
    node.at = at(mark);
    const std::string_view from = source_.from(mark.line, mark.column);
    const bool quoted = !node.plain && !from.empty() && (from.front() == '\'' || from.front() == '"');
    if (quoted && !quote_is_closed(from)) fail(mark, "opens a quote that is never closed");
    add(mark, anchor, std::move(node));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) fail(mark, "holds an alias inside its own anchor");
    count_copy(mark, found->second);
    place(mark, found->second);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, TreeNode::Kind::list);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, TreeNode::Kind::mapping);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    TreeNode node;
    YAML::anchor_t anchor;
    YAML::Mark mark;
    std::optional<Entry> pending;  // a mapping's key that waits for its value
  };

  [[noreturn]] void fail(const YAML::Mark& mark, const char* what) const { throw TreeError{at(mark), what}; }
  Position at(const YAML::Mark& mark) const { return source_.position(mark.line, mark.column); }

  void check_tag(const YAML::Mark& mark, const std::string& tag) const {
    if (!tag.empty() && tag != "?" && tag != "!") fail(mark, "holds a tag");
  }

  // An absent value has no place of its own: yaml-cpp gives the next token's, so its key stands in.
  Position null_position(const YAML::Mark& mark) const {
    const std::string_view from = source_.from(mark.line, mark.column);
    const bool written = from.starts_with('~') || from.starts_with("null") || from.starts_with("Null") ||
                         from.starts_with("NULL");
    if (!stack_.empty() && stack_.back().pending &&
        (!written || at(mark).line != stack_.back().pending->at.line))
      return stack_.back().pending->at;
    return at(mark);
  }

  void count(const YAML::Mark& mark) {
    if (++nodes_ > max_nodes) fail(mark, "holds too many values");
  }
  void count_copy(const YAML::Mark& mark, const TreeNode& node) {
    count(mark);
    copied_ += node.text.size();
    if (copied_ > max_text) fail(mark, "repeats too much text");
    for (const TreeNode& item : node.items)
      count_copy(mark, item);
    for (const Entry& entry : node.entries) {
      copied_ += entry.key.size();
      count_copy(mark, entry.value);
    }
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, TreeNode::Kind kind) {
    check_tag(mark, tag);
    count(mark);
    Open opened{{}, anchor, mark, {}};
    opened.node.kind = kind;
    opened.node.at = at(mark);
    stack_.push_back(std::move(opened));
  }

  void close() {
    Open closed = std::move(stack_.back());
    stack_.pop_back();
    remember(closed.mark, closed.anchor, closed.node);
    place(closed.mark, std::move(closed.node));
  }

  void add(const YAML::Mark& mark, YAML::anchor_t anchor, TreeNode node) {
    count(mark);
    remember(mark, anchor, node);
    place(mark, std::move(node));
  }

  void remember(const YAML::Mark& mark, YAML::anchor_t anchor, const TreeNode& node) {
    if (anchor == YAML::NullAnchor) return;
    count_copy(mark, node);
    anchors_.emplace(anchor, node);
  }

  void place(const YAML::Mark& mark, TreeNode node) {
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = stack_.back();
    if (parent.node.kind == TreeNode::Kind::list) {
      parent.node.items.push_back(std::move(node));
    } else if (parent.pending) {
      parent.pending->value = std::move(node);
      parent.node.entries.push_back(std::move(*parent.pending));
      parent.pending.reset();
    } else {
      if (node.kind != TreeNode::Kind::scalar && node.kind != TreeNode::Kind::null)
        fail(mark, "holds a key that is not a name");
      parent.pending = Entry{std::move(node.text), node.at, {}};
    }
  }

  const SourceText& source_;
  TreeNode root_;
  std::vector<Open> stack_;
  std::map<YAML::anchor_t, TreeNode> anchors_;
  std::size_t nodes_ = 0;
  std::size_t copied_ = 0;  // bytes of text repeated by anchors and aliases
  int documents_ = 0;
};

// yaml-cpp ends some of its messages with a piece of the file, which may be a secret.
std::string without_quotation(const std::string& message) {
  return message.substr(0, message.find(':'));
}

Tree failure(Position at, std::string what) {
  return {{}, TreeError{at, std::move(what)}};
}

}  // namespace

Tree read_tree(std::string_view text) {
  if (text.size() > max_text) return failure({}, "is larger than 1 MiB");
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  const SourceText source(text);
  if (auto defect = source.defect()) return {{}, std::move(defect)};
  std::istringstream stream(source.masked());
  Builder builder(source);
  try {
    // Twice and no more: asking until the end, as YAML::LoadAll does, can go on for ever on bad input.
    YAML::Parser parser(stream);
    if (parser.HandleNextDocument(builder)) parser.HandleNextDocument(builder);
    return {builder.take(), std::nullopt};
  } catch (TreeError& error) {
    return {{}, std::move(error)};
  } catch (const YAML::DeepRecursion& error) {
    return failure(source.position(error.mark.line, error.mark.column), "is nested too deeply");
  } catch (const YAML::Exception& error) {
    return failure(source.position(error.mark.line, error.mark.column),
                   "is not valid YAML (" + without_quotation(error.msg) + ")");
  }
}

}  // namespace bridge55::config
