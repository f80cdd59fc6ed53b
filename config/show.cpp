#include "config/show.hpp"

#include "config/describe.hpp"
#include "config/json_text.hpp"

#include <algorithm>
#include <array>

namespace bridge55::config {
namespace {

// Whether YAML reads the text back as it is without quotes.
bool plain_is_safe(const std::string& text) {
  constexpr std::array<std::string_view, 12> words{"null", "Null", "NULL", "true", "false", "yes",
                                                   "no",   "on",   "off",  "y",    "n",     "~"};
  if (text.empty() || std::find(words.begin(), words.end(), text) != words.end()) return false;
  const auto alnum = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  const auto allowed = [&](char c) {
    return alnum(c) || c == '_' || c == '-' || c == '.' || c == '/' || c == '%';
  };
  const bool leading_zero = text.size() > 1 && text[0] == '0';
  return !leading_zero && (alnum(text[0]) || text[0] == '/') &&
         std::all_of(text.begin(), text.end(), allowed);
}

std::string yaml(const Scalar& scalar, const std::string& text) {
  return scalar.bare || plain_is_safe(text) ? text : without_expansion(json_string(text));
}

std::string yaml_key(const std::string& text) {
  return plain_is_safe(text) ? text : json_string(text);
}

class Printer final : public Visitor {
 public:
  explicit Printer(std::size_t depth) : indent_(depth * 2, ' ') {}

  std::string take() { return std::move(out_); }

  void scalar(const Key& key, const Scalar& scalar) override {
    if (!key.applies) return;
    if (const auto text = scalar.get()) line(key.name, yaml(scalar, *text));
  }

  void scalars(const Key& key, const Scalars& list) override {
    if (!key.applies || !list.present()) return;
    std::string items;
    for (std::size_t i = 0; i < list.size(); ++i) {
      const Scalar item = list.at(i);
      items += (i == 0 ? "" : ", ") + yaml(item, item.get().value_or(""));
    }
    line(key.name, "[" + items + "]");
  }

  void dictionary(const Key& key, const Dictionary& dictionary) override {
    if (!key.applies) return;
    std::string body;
    for (const std::string& name : dictionary.names()) {
      const Scalar value = dictionary.at(name);
      body += indent_ + "  " + yaml_key(name) + ": " + yaml(value, value.get().value_or("")) + "\n";
    }
    block(key.name, body, " {}");
  }

  void json(const Key& key, std::string& text) override {
    if (key.applies) line(key.name, shown_json(text));
  }

  void section(const Key& key, const Body& body) override {
    if (key.applies) block(key.name, nested(body), " {}");
  }

  void optional_section(const Key& key, const Optional& optional, const Body& body) override {
    if (optional.present()) section(key, body);
  }

  void sections(const Key& key, const Sections& sections) override {
    if (!key.applies || !sections.present()) return;
    std::string all;
    for (std::size_t i = 0; i < sections.size(); ++i) {
      const Body body = [&](Visitor& visitor) { sections.describe(i, visitor); };
      all += sections.named ? entry(sections.name(i), body) : item(body);
    }
    block(key.name, all, sections.named ? " {}" : " []");
  }

  void scalar_or_section(const Key& key, const Scalar& scalar, const Body& body, bool needs_body) override {
    if (needs_body) return section(key, body);
    this->scalar(key, scalar);
  }

 private:
  void line(std::string_view key, const std::string& value) {
    out_ += indent_ + std::string(key) + ": " + value + "\n";
  }

  void block(std::string_view key, const std::string& body, std::string_view empty) {
    out_ += indent_ + std::string(key) + ":" + (body.empty() ? std::string(empty) + "\n" : "\n" + body);
  }

  std::string nested(const Body& body, std::size_t deeper = 1) const {
    Printer printer(indent_.size() / 2 + deeper);
    body(printer);
    return printer.take();
  }

  std::string entry(const std::string& name, const Body& body) const {
    const std::string inside = nested(body, 2);
    return indent_ + "  " + yaml_key(name) + ":" + (inside.empty() ? " {}\n" : "\n" + inside);
  }

  std::string item(const Body& body) const {
    std::string inside = nested(body, 2);
    if (inside.empty()) return indent_ + "  - {}\n";
    inside[indent_.size() + 2] = '-';
    return inside;
  }

  std::string indent_;
  std::string out_;
};

}  // namespace

std::string show(const Config& config) {
  Config copy = config;
  Printer printer(0);
  describe(printer, copy);
  return printer.take();
}

}  // namespace bridge55::config
