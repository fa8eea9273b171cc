#include "actors/document_access.hpp"

namespace podium::registry_rules {

namespace json = boost::json;

json::object& child(json::object& parent, std::string_view name) {
  auto& value = parent[name];
  if (!value.is_object()) value = json::object{};
  return value.get_object();
}

const json::value* find(const json::value& document, document_path path) {
  auto* at = &document;
  for (auto name : path) {
    auto* object = at->if_object();
    at = object ? object->if_contains(name) : nullptr;
    if (!at || at->is_null()) return nullptr;
  }
  return at;
}

std::string text_at(const json::value& document, document_path path) {
  auto* value = find(document, path);
  return value && value->is_string() ? std::string(value->get_string()) : std::string{};
}

std::optional<int64_t> number_at(const json::value& document, document_path path) {
  auto* value = find(document, path);
  boost::system::error_code ec;
  auto number = value ? value->to_number<int64_t>(ec) : 0;
  return value && !ec ? std::optional{number} : std::nullopt;
}

bool empty_list(const json::value& document, document_path path) {
  auto* value = find(document, path);
  return !value || !value->is_array() || value->get_array().empty();
}

void grow_generation(json::object& meta) {
  if (auto* generation = meta.if_contains("generation"); generation && generation->is_int64())
    *generation = generation->get_int64() + 1;
}

bool terminal(std::string_view phase) {
  return phase == "Succeeded" || phase == "Failed";
}

} // namespace podium::registry_rules
