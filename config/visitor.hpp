// The one description of bridge55.yaml: describe.hpp walks a Config and names every key once, with its help,
// its rule and the field it belongs to. A reader, a printer and a schema writer are visitors of that walk, so
// they cannot disagree on a key.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bridge55::config {

// Whether a key may be left out; `here`: not in the case at hand, as told by the keys before it.
enum class Need { none, here, always };

struct Key {
  std::string_view name;
  std::string_view help;
  Need need = Need::none;
  bool applies = true;               // false: known, but not with the kind at hand
  std::string_view applies_to = {};  // what it does apply to, where `applies` may be false: `kind: scraping`
  bool decides = false;  // others depend on it: where it is wrong, none of them is missing or misplaced
};

// One value that is written as one YAML scalar. The functions refer to the field, which must outlive it.
struct Scalar {
  bool bare = false;     // a YAML number or boolean: quotes make it a wrong type
  bool nulls = false;    // a YAML null is taken as the text `null`
  bool secret = false;   // never quoted in an error; `get` gives it masked
  std::string expected;  // `a duration from 1ms to 1h, such as 500ms`
  std::string schema;    // JSON Schema of it, as JSON text
  std::function<std::string(const std::string&)>
      set;  // what is wrong (`is not a duration`), empty where it was taken
  std::function<std::optional<std::string>()> get;  // as written in YAML before quoting; nothing: left out
};

// A list of scalars; one scalar alone means a list of one where `alone`.
struct Scalars {
  bool alone = false;
  std::function<std::size_t()> size;
  std::function<void(std::size_t)> resize;
  std::function<Scalar(std::size_t)> at;
  std::function<bool()> present = [] { return true; };
};

// Names that the operator chooses, each with a scalar.
struct Dictionary {
  std::string_view key_help;  // `a path`: what the names are
  std::function<std::string(const std::string& name)>
      refuse;  // what is wrong with a name, empty where nothing is
  std::function<std::vector<std::string>()> names;
  std::function<Scalar(const std::string& name)> at;  // makes the entry where it is missing
};

class Visitor;
using Body = std::function<void(Visitor&)>;

// A list of mappings, or with `named` a mapping of the operator's names to mappings.
struct Sections {
  bool named = false;
  std::function<std::size_t()> size;
  std::function<void(const std::string& name)> add;
  std::function<std::string(std::size_t)> name;
  std::function<void(std::size_t, Visitor&)> describe;
  std::function<void()> begin = [] {};  // the key is there: makes an optional list exist
  std::function<bool()> present = [] { return true; };
};

// A mapping that may be absent as a whole.
struct Optional {
  std::function<void()> make;
  std::function<bool()> present;
};

class Visitor {
 public:
  virtual ~Visitor() = default;
  virtual void scalar(const Key& key, const Scalar& scalar) = 0;
  virtual void scalars(const Key& key, const Scalars& list) = 0;
  virtual void dictionary(const Key& key, const Dictionary& dictionary) = 0;
  virtual void json(const Key& key, std::string& text) = 0;  // any mapping, kept as compact JSON
  virtual void section(const Key& key, const Body& body) = 0;
  virtual void optional_section(const Key& key, const Optional& optional, const Body& body) = 0;
  virtual void sections(const Key& key, const Sections& sections) = 0;
  // A scalar, or a mapping that says more; printed as the mapping only where the scalar alone would lose
  // something.
  virtual void scalar_or_section(const Key& key, const Scalar& scalar, const Body& body, bool needs_body) = 0;

  // Runs while a file is read, between the keys described before and after: for defaults that depend on other
  // keys. `given` says whether this mapping has a key.
  using Given = std::function<bool(std::string_view key)>;
  virtual void on_read(const std::function<void(const Given& given)>&) {}
};

}  // namespace bridge55::config
