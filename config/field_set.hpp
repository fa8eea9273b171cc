// Sets of fields, as metadata.managedFields holds them: who owns what of an object.
#pragma once
#include <boost/json.hpp>
#include <caf/expected.hpp>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace podium::config {

namespace json = boost::json;

/// One step of a path into an object.
struct path_element {
  enum class kind : uint8_t {
    field, ///< a member: its name
    key,   ///< an item of a list, by its keys: {"name":"a"}, keys sorted
    value, ///< an item of a list of scalars, by its value: "x"
    index, ///< an item by its place: 0
  };
  kind what = kind::field;
  std::string text; ///< the name; for the others JSON text

  /// As paths are written for people: `.name`, `[name="a"]`, `[="x"]`, `[0]`.
  std::string to_string() const;
  /// As FieldsV1 has it: `f:name`, `k:{"name":"a"}`, `v:"x"`, `i:0`.
  std::string to_fields_v1() const;

  bool operator==(const path_element&) const = default;
};

/// Kubernetes' order: by kind, names as text, numbers in keys by their value.
bool operator<(const path_element& a, const path_element& b);

inline path_element field_element(std::string_view name) {
  return {path_element::kind::field, std::string{name}};
}

/// A set of paths, as a tree: a node says whether its own path belongs to the set. No child is empty.
struct field_set {
  bool owned = false;
  std::map<path_element, field_set> children;

  bool empty() const { return !owned && children.empty(); }
  /// The node at `element`, or null.
  const field_set* find(const path_element& element) const;
  void insert(const std::vector<path_element>& path);
};

bool operator==(const field_set& a, const field_set& b);

/// Paths of plain field names with dots between them: {"metadata.name", "status"}.
field_set make_field_set(std::initializer_list<std::string_view> paths);

void unite(field_set& into, const field_set& other);
field_set intersect(const field_set& a, const field_set& b);
/// Without the paths of `b`.
field_set subtract(field_set a, const field_set& b);
/// Without the paths of `b` and all that lies below them.
field_set subtract_trees(field_set a, const field_set& b);

/// Calls `f` with each path as people read it (".spec.containers[name=\"a\"].image"): the members of a node
/// first, then what lies below them, as Kubernetes lists conflicts.
void each_path(const field_set& set, const std::function<void(const std::string& path)>& f);

/// FieldsV1: `{"f:metadata":{"f:labels":{".":{},"f:app":{}}}}`.
json::object to_fields_v1(const field_set& set);
/// Steps of unknown kinds are left out, as they may be a later version's. Error: errc::bad_request for
/// anything else that is no FieldsV1.
caf::expected<field_set> parse_fields_v1(const json::value& fields);

} // namespace podium::config
