#include "config/schema.hpp"

#include "config/describe.hpp"

#include <nlohmann/json.hpp>

namespace bridge55::config {
namespace {

using Json = nlohmann::ordered_json;

Json expanded() {
  return {{"$ref", "#/$defs/expanded"}};
}

class SchemaWriter final : public Visitor {
 public:
  void scalar(const Key& key, const Scalar& scalar) override {
    Json property = of(scalar);
    if (const auto value = default_of(key, scalar)) property["default"] = *value;
    add(key, std::move(property));
  }

  void scalars(const Key& key, const Scalars& list) override {
    Json values = Json::array();
    for (std::size_t i = 0; i < list.size(); ++i)
      if (const auto value = default_of(key, list.at(i))) values.push_back(*value);
    list.resize(1);
    const Json item = of(list.at(0));
    const Json array{{"type", "array"}, {"items", item}};
    Json property = list.alone ? Json{{"anyOf", {item, array}}} : array;
    if (key.need == Need::none && list.present()) property["default"] = std::move(values);
    add(key, std::move(property));
  }

  void dictionary(const Key& key, const Dictionary& dictionary) override {
    add(key, {{"type", "object"},
              {"additionalProperties", of(dictionary.at("example"))},
              {"default", Json::object()}});
  }

  void json(const Key& key, std::string& text) override {
    add(key, {{"type", "object"}, {"default", Json::parse(text)}});
  }

  void section(const Key& key, const Body& body) override { add(key, object(body)); }

  void optional_section(const Key& key, const Optional& optional, const Body& body) override {
    optional.make();
    section(key, body);
  }

  void sections(const Key& key, const Sections& sections) override {
    sections.begin();
    sections.add("");
    const Json one = object([&](Visitor& visitor) { sections.describe(0, visitor); });
    if (sections.named) {
      add(key, {{"type", "object"},
                {"propertyNames", {{"pattern", "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"}}},
                {"additionalProperties", one}});
    } else {
      add(key, {{"type", "array"}, {"items", one}});
    }
  }

  void scalar_or_section(const Key& key, const Scalar& scalar, const Body& body, bool) override {
    Json property{{"anyOf", {Json::parse(scalar.schema), expanded(), object(body)}}};
    if (const auto value = default_of(key, scalar)) property["default"] = *value;
    add(key, std::move(property));
  }

  static Json object(const Body& body) {
    SchemaWriter writer;
    body(writer);
    Json out{
        {"type", "object"}, {"additionalProperties", false}, {"properties", std::move(writer.properties_)}};
    if (!writer.required_.empty()) out["required"] = std::move(writer.required_);
    return out;
  }

 private:
  // A plain string may hold an expansion as it is; everything else says so.
  static Json of(const Scalar& scalar) {
    Json schema = Json::parse(scalar.schema);
    if (schema == Json{{"type", "string"}}) return schema;
    return {{"anyOf", {std::move(schema), expanded()}}};
  }

  static std::optional<Json> default_of(const Key& key, const Scalar& scalar) {
    if (scalar.secret || key.need != Need::none) return std::nullopt;
    const auto text = scalar.get();
    if (!text || text->empty()) return std::nullopt;
    return scalar.bare ? Json::parse(*text) : Json(*text);
  }

  void add(const Key& key, Json property) {
    std::string help(key.help);
    if (!key.applies_to.empty()) help += " Only with " + std::string(key.applies_to) + ".";
    property["description"] = std::move(help);
    properties_[std::string(key.name)] = std::move(property);
    if (key.need == Need::always) required_.push_back(std::string(key.name));
  }

  Json properties_ = Json::object();
  Json required_ = Json::array();
};

}  // namespace

std::string schema() {
  Config defaults;
  Json root{{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", "bridge55.yaml"}};
  root.update(SchemaWriter::object([&](Visitor& visitor) { describe(visitor, defaults); }));
  root["$defs"]["expanded"] = {
      {"type", "string"},
      {"pattern", "[$][{].+[}]"},
      {"description", "${NAME}, ${NAME:-default}, ${file:/path} or ${credential:name}"}};
  return root.dump(2) + "\n";
}

}  // namespace bridge55::config
