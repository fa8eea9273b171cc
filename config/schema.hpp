// The schema table: every field of every served kind, with what JSON, patches and protobuf need to know of
// it.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace podium::config {

/// What a value is, apart from being alone, in a list or in a map.
enum class value_kind : uint8_t {
  string,
  boolean,
  int32,
  int64,
  bytes,         ///< base64 text in JSON, raw in protobuf
  quantity,      ///< text or number in JSON; message {1: string} in protobuf
  int_or_string, ///< number or text in JSON; message {1: type, 2: int, 3: string} in protobuf
  time,          ///< RFC 3339 in JSON; message {1: seconds, 2: nanos} in protobuf
  micro_time,    ///< the same with microseconds in JSON
  object,        ///< see schema_field::object
  string_list,   ///< a list of strings as the value of a map
  any,           ///< kept as it is (managed fields)
};

enum class field_shape : uint8_t { single, list, map };

/// Bits of schema_field::flags.
enum field_flag : uint16_t {
  f_required = 1,     ///< must be present
  f_inlined = 2,      ///< an embedded message: in JSON its fields lie in the object that holds it
  f_set = 4,          ///< a list of unique scalars
  f_atomic = 8,       ///< replaced as a whole by server-side apply
  f_merge = 16,       ///< strategic merge patch merges the list
  f_retain_keys = 32, ///< strategic merge patch honours $retainKeys
  f_replace = 64,     ///< strategic merge patch replaces the value
};

struct schema_type;

/// One row of the table.
struct schema_field {
  std::string_view owner; ///< full name of the type it is declared in, "core.v1.Pod"
  std::string_view name;  ///< its JSON name
  uint16_t number = 0;    ///< its protobuf number in `owner`
  value_kind kind = value_kind::string;
  std::string_view object_name; ///< full name of the type of its value; empty for scalars
  field_shape shape = field_shape::single;
  uint16_t flags = 0;
  std::string_view list_keys; ///< comma separated keys of a list of objects (server-side apply), or empty
  std::string_view merge_key; ///< the key of strategic merge patch, or empty
  const schema_type* object = nullptr; ///< the type of its value when kind is object

  bool has(field_flag flag) const { return (flags & flag) != 0; }
};

/// A field as JSON sees it: with embedded messages flattened.
struct json_field {
  const schema_field* field = nullptr;
  uint16_t inlined_under = 0; ///< protobuf number of the embedded message that declares it, 0 if none does
};

/// A type: its rows in order of declaration, and an index by JSON name.
struct schema_type {
  std::string_view name;                ///< "core.v1.Pod"
  std::string_view short_name;          ///< "Pod"
  std::span<const schema_field> fields; ///< as declared (protobuf), embedded messages as one field
  std::vector<json_field> by_json_name; ///< sorted by JSON name

  /// The field with this JSON name; `.field` is null if there is none.
  json_field find(std::string_view json_name) const;

  /// The field with this protobuf number, or null.
  const schema_field* find_number(uint32_t number) const;
};

/// Names a kind: {"", "v1", "Pod"}, {"events.k8s.io", "v1", "Event"}.
struct group_version_kind {
  std::string group;
  std::string version;
  std::string kind;

  /// "v1", or "events.k8s.io/v1".
  std::string api_version() const { return group.empty() ? version : group + "/" + version; }
  bool operator==(const group_version_kind&) const = default;
};

/// A kind the schema knows.
struct schema_kind {
  std::string_view group;
  std::string_view version;
  std::string_view kind;
  std::string_view type_name;
};

/// Every kind with a type in the table.
std::span<const schema_kind> all_kinds();

/// Every row of the table, sorted by owner.
std::span<const schema_field> all_fields();

/// The type with this full name ("core.v1.Container"), or null.
const schema_type* find_type(std::string_view full_name);

/// The type of a kind, or null. DeleteOptions and its like are found in every group and version.
const schema_type* type_of(const group_version_kind& gvk);

/// Splits "events.k8s.io/v1" into group and version and joins them with `kind`.
group_version_kind make_gvk(std::string_view api_version, std::string_view kind);

} // namespace podium::config
