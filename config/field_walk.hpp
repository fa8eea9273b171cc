// Documents seen as sets of fields, by the schema: which fields a document has, how two differ, and how an
// applied configuration is merged in. The rules are those of Kubernetes' server-side apply: lists with keys
// are merged by them, sets by their values, and atomic values are one field.
#pragma once
#include "config/field_set.hpp"
#include "config/schema.hpp"

namespace podium::config {

/// What the schema says of a value in a document.
struct value_type {
  const schema_type* object = nullptr; ///< the type of its members, or of its items' members
  const schema_field* field = nullptr; ///< null for the document itself
  field_shape shape = field_shape::single;
};

/// The type of a whole document.
inline value_type document_type(const schema_type& type) {
  return {&type, nullptr, field_shape::single};
}

/// How a value is owned.
enum class ownership : uint8_t {
  leaf,   ///< as a whole: scalars, and what is atomic
  record, ///< by declared members
  map,    ///< by members
  set,    ///< by items, which are scalars
  list,   ///< by items, which have keys
};

ownership ownership_of(const value_type& type);

/// The fields that a document has: an applier owns the fields of its configuration.
field_set fields_of(const json::value& document, const schema_type& type);

/// How two documents differ. What is in neither is in no set.
struct comparison {
  field_set added, removed, modified;
  bool empty() const { return added.empty() && removed.empty() && modified.empty(); }
};
comparison compare(const json::value& before, const json::value& after, const schema_type& type);

/// `live` with all that `configuration` has; its items come in the configuration's order.
json::value merge_applied(const json::value& live, const json::value& configuration, const schema_type& type);

/// `document` without the fields of `set`; what loses its last member is null.
json::value remove_fields(const json::value& document, const field_set& set, const schema_type& type);

/// `set` with the declared members that it has only parts of: what has "spec.containers…" has "spec" too.
field_set with_named_fields(const field_set& set, const schema_type& type);

/// What makes a document no configuration: members that the schema does not have, lists that are none, items
/// without their keys or with the same ones. Lines `.spec.x: field not declared in schema`, at most twenty.
std::vector<std::string> configuration_problems(const json::value& document, const schema_type& type);

} // namespace podium::config
