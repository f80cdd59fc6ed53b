// As much of JSON Schema as config/schema.cpp uses, to hold real configs against it: what an editor would say
// of them.
#pragma once

#include "config/units.hpp"
#include "config/yaml_tree.hpp"

#include <regex>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace bridge55::config::testing {

using nlohmann::json;

// By YAML's core schema, which editors go by.
inline json as_json(const TreeNode& node) {
  json out;
  switch (node.kind) {
    case TreeNode::Kind::null:
      return nullptr;
    case TreeNode::Kind::scalar:
      if (node.plain && parse_boolean(node.text)) return *parse_boolean(node.text);
      if (node.plain && parse_integer(node.text)) return *parse_integer(node.text);
      return node.text;
    case TreeNode::Kind::list:
      out = json::array();
      for (const TreeNode& item : node.items)
        out.push_back(as_json(item));
      return out;
    case TreeNode::Kind::mapping:
      out = json::object();
      for (const Entry& entry : node.entries)
        out[entry.key] = as_json(entry.value);
      return out;
  }
  return out;
}

class SchemaCheck {
 public:
  explicit SchemaCheck(json schema) : root_(std::move(schema)) {}

  // What is wrong, one line each.
  std::vector<std::string> check(const json& value) {
    faults_.clear();
    visit(value, root_, "");
    return faults_;
  }

 private:
  static bool is_type(const json& value, const std::string& type) {
    if (type == "integer") return value.is_number_integer();
    if (type == "number") return value.is_number();
    return type == (value.is_null() ? "null" : value.is_number() ? "number" : value.type_name());
  }

  bool matches(const json& value, const json& schema) {
    SchemaCheck other(root_);
    other.visit(value, schema, "");
    return other.faults_.empty();
  }

  void fault(const std::string& path, const std::string& what) { faults_.push_back(path + ": " + what); }

  void visit(const json& value, const json& schema, const std::string& path) {
    if (schema.contains("$ref")) return visit(value, root_["$defs"]["expanded"], path);
    if (schema.contains("anyOf")) {
      bool any = false;
      for (const auto& one : schema["anyOf"])
        any = any || matches(value, one);
      if (!any) fault(path, "is none of " + schema["anyOf"].dump());
    }
    if (schema.contains("enum") &&
        std::find(schema["enum"].begin(), schema["enum"].end(), value) == schema["enum"].end())
      fault(path, "is none of " + schema["enum"].dump());
    if (schema.contains("type")) visit_type(value, schema["type"], path);
    if (value.is_string() && schema.contains("pattern") &&
        !std::regex_search(value.get<std::string>(), std::regex(schema["pattern"].get<std::string>())))
      fault(path, "does not match " + schema["pattern"].dump());
    if (value.is_number() && schema.contains("minimum") && value < schema["minimum"])
      fault(path, "is too small");
    if (value.is_number() && schema.contains("maximum") && value > schema["maximum"])
      fault(path, "is too large");
    if (value.is_object()) visit_object(value, schema, path);
    if (value.is_array() && schema.contains("items"))
      for (const auto& item : value)
        visit(item, schema["items"], path + "[]");
  }

  void visit_type(const json& value, const json& type, const std::string& path) {
    bool any = false;
    for (const auto& one : type.is_array() ? type : json::array({type}))
      any = any || is_type(value, one.get<std::string>());
    if (!any) fault(path, "is not of type " + type.dump());
  }

  void visit_object(const json& value, const json& schema, const std::string& path) {
    for (const auto& name : schema.value("required", json::array()))
      if (!value.contains(name.get<std::string>())) fault(path, "lacks " + name.dump());
    for (const auto& [name, member] : value.items()) {
      const std::string at = path + "." + name;
      if (schema.contains("properties") && schema["properties"].contains(name)) {
        visit(member, schema["properties"][name], at);
      } else if (schema.contains("additionalProperties")) {
        if (schema["additionalProperties"] == false) fault(at, "is unknown");
        if (schema["additionalProperties"].is_object()) visit(member, schema["additionalProperties"], at);
      }
    }
  }

  json root_;
  std::vector<std::string> faults_;
};

}  // namespace bridge55::config::testing
