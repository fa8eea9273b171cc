// What makes a document no applied configuration, in the words of Kubernetes' server-side apply.
#include "config/field_types.hpp"

#include "core/error.hpp"

namespace podium::config {
namespace {

constexpr size_t max_problems = 20;

/// A value as Go prints it: the texts that people know from clusters show it so.
std::string go_text(const json::value& v, bool quoted) {
  if (auto* text = v.if_string()) return quoted ? json::serialize(v) : std::string{*text};
  if (v.is_null()) return "<nil>";
  std::string out;
  if (auto* list = v.if_array()) {
    for (auto& item : *list)
      out += (out.empty() ? "" : " ") + go_text(item, false);
    return "[" + out + "]";
  }
  if (auto* object = v.if_object()) {
    for (auto& [key, value] : *object)
      out += (out.empty() ? "" : " ") + std::string{key} + ":" + go_text(value, false);
    return "map[" + out + "]";
  }
  return json::serialize(v);
}

/// "string", "boolean" or "numeric" when a scalar's value is of another JSON type, else "".
std::string_view wanted_instead(value_kind kind, const json::value& v) {
  switch (kind) {
  case value_kind::string:
  case value_kind::bytes:
  case value_kind::time:
  case value_kind::micro_time:
    return v.is_string() ? "" : "string";
  case value_kind::boolean:
    return v.is_bool() ? "" : "boolean";
  case value_kind::int32:
  case value_kind::int64:
    return v.is_number() ? "" : "numeric (int or float)";
  default:
    return "";
  }
}

class finder {
public:
  std::vector<std::string> out;

  void walk(const json::value& v, const value_type& type, const std::string& path) {
    if (v.is_null() || out.size() >= max_problems) return;
    bool is_list = type.shape == field_shape::list, is_map = type.shape == field_shape::map || type.object;
    if (is_list) return v.is_array() ? items(v.get_array(), type, path) : unexpected(path, "list", v);
    if (is_map) return v.is_object() ? members(v.get_object(), type, path) : unexpected(path, "map", v);
    if (!type.field) return;
    if (auto wanted = wanted_instead(type.field->kind, v); !wanted.empty())
      add(path, "expected " + std::string{wanted} + ", got &value.valueUnstructured{Value:" + go_text(v, true)
                    + "}");
  }

private:
  void add(const std::string& path, const std::string& text) {
    if (out.size() < max_problems) out.push_back(path + ": " + text);
  }
  void unexpected(const std::string& path, const char* wanted, const json::value& v) {
    constexpr size_t most = 200;
    auto shown = go_text(v, false);
    if (shown.size() > most) shown = shown.substr(0, most) + "...";
    add(path, std::string{"expected "} + wanted + ", got &{" + shown + "}");
  }

  void members(const json::object& object, const value_type& type, const std::string& path) {
    for (auto& [key, value] : object) {
      bool declared = false;
      auto inner = member_type(type, key, declared);
      auto below = path + "." + std::string{key};
      if (!declared && type.shape != field_shape::map)
        add(below, "field not declared in schema");
      else
        walk(value, inner, below);
    }
  }

  void items(const json::array& list, const value_type& type, const std::string& path) {
    auto how = ownership_of(type);
    std::map<path_element, bool> seen;
    for (size_t i = 0; i < list.size(); ++i) {
      auto below = path + "[" + std::to_string(i) + "]";
      if (how == ownership::list || how == ownership::set) {
        auto element = element_of(type, list[i]);
        if (!element) {
          add(path, "element " + std::to_string(i) + ": " + message_of(element.error()));
          continue;
        }
        below = path + element->to_string();
        if (!seen.emplace(*element, true).second)
          add(path, "duplicate entries for key " + element->to_string());
      }
      walk(list[i], item_type(type), below);
    }
  }
};

} // namespace

std::vector<std::string> configuration_problems(const json::value& document, const schema_type& type) {
  finder f;
  f.walk(document, document_type(type), "");
  return std::move(f.out);
}

} // namespace podium::config
