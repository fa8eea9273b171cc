#include "config/field_types.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <array>

namespace podium::config {
namespace {

/// Types that Kubernetes declares atomic wherever they are used: half a reference refers to nothing.
constexpr std::array atomic_types{
    "core.v1.ConfigMapKeySelector",
    "core.v1.FileKeySelector",
    "core.v1.LocalObjectReference",
    "core.v1.NodeSelector",
    "core.v1.NodeSelectorTerm",
    "core.v1.ObjectFieldSelector",
    "core.v1.ObjectReference",
    "core.v1.ResourceFieldSelector",
    "core.v1.SecretKeySelector",
    "core.v1.SecretReference",
    "core.v1.TypedLocalObjectReference",
    "meta.v1.FieldsV1",
    "meta.v1.LabelSelector",
    "meta.v1.OwnerReference",
};

bool is_atomic(const schema_type& type) {
  return std::find(atomic_types.begin(), atomic_types.end(), type.name) != atomic_types.end();
}

/// The keys of a list's items. Lists from before server-side apply name theirs for strategic patches only.
std::string_view keys_of(const schema_field& field) {
  if (!field.list_keys.empty()) return field.list_keys;
  return field.has(f_merge) ? field.merge_key : std::string_view{};
}

caf::error unfit(const std::string& what) {
  return make_error(errc::invalid, what);
}

/// The value that a key has when an item leaves it out, or null. Only ports have one.
const json::value* default_of(const schema_field& field, std::string_view key) {
  static const json::value tcp = "TCP";
  auto* inner = field.object ? field.object->find(key).field : nullptr;
  bool is_port = field.object_name == "core.v1.ContainerPort" || field.object_name == "core.v1.ServicePort";
  return inner && is_port && key == "protocol" ? &tcp : nullptr;
}

caf::expected<path_element> keyed_element(const schema_field& field, const json::value& item) {
  if (item.is_null()) return unfit("associative list with keys may not have a null element");
  auto* object = item.if_object();
  if (!object) return unfit("associative list with keys may not have non-map elements");
  std::vector<std::string_view> names;
  for (auto rest = keys_of(field); !rest.empty();) {
    auto comma = std::min(rest.find(','), rest.size());
    names.push_back(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  std::sort(names.begin(), names.end());
  json::object keys;
  for (auto name : names) {
    auto* value = object->if_contains(name);
    if (!value || value->is_null()) value = default_of(field, name);
    if (!value)
      return unfit("associative list with keys has an element that omits key field \"" + std::string{name}
                   + "\" (and doesn't have default value)");
    if (value->is_structured())
      return unfit("associative list with keys has an element whose key field \"" + std::string{name}
                   + "\" is no scalar");
    keys[name] = *value;
  }
  return path_element{path_element::kind::key, json::serialize(keys)};
}

} // namespace

ownership ownership_of(const value_type& type) {
  bool atomic = type.field && type.field->has(f_atomic);
  switch (type.shape) {
  case field_shape::map:
    return atomic ? ownership::leaf : ownership::map;
  case field_shape::list:
    if (atomic) return ownership::leaf;
    if (type.object && !keys_of(*type.field).empty()) return ownership::list;
    return !type.object && (type.field->has(f_set) || type.field->has(f_merge)) ? ownership::set
                                                                                : ownership::leaf;
  case field_shape::single:
    break;
  }
  return !type.object || is_atomic(*type.object) || atomic ? ownership::leaf : ownership::record;
}

value_type member_type(const value_type& type, std::string_view key, bool& declared) {
  declared = false;
  if (type.shape == field_shape::map) return {type.object, type.field, field_shape::single};
  if (!type.object || type.shape != field_shape::single) return {};
  if (!type.field && (key == "kind" || key == "apiVersion")) {
    declared = true;
    return {};
  }
  auto* field = type.object->find(key).field;
  if (!field) return {};
  declared = true;
  return {field->object, field, field->shape};
}

value_type item_type(const value_type& type) {
  return {type.object, type.field, field_shape::single};
}

caf::expected<path_element> element_of(const value_type& list, const json::value& item) {
  if (list.object) return keyed_element(*list.field, item);
  if (item.is_null()) return unfit("associative list without keys has an element that's an explicit null");
  if (item.is_object()) return unfit("associative list without keys has an element that's a map type");
  if (item.is_array()) return unfit("not supported: associative list with lists as elements");
  return path_element{path_element::kind::value, json::serialize(item)};
}

list_items::list_items(const json::array& list, const value_type& type) {
  in_order.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    auto known = element_of(type, list[i]);
    auto element = known ? std::move(*known) : path_element{path_element::kind::index, std::to_string(i)};
    by_element[element].push_back(&list[i]);
    in_order.emplace_back(std::move(element), &list[i]);
  }
}

} // namespace podium::config
