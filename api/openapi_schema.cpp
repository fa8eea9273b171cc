#include "api/openapi_schema.hpp"

#include "config/field_notes.hpp"

namespace podium::api {
namespace {

namespace json = boost::json;
using config::field_shape;
using config::schema_field;
using config::schema_type;
using config::value_kind;

/// A scalar with a schema of its own, referred to by name.
struct special_row {
  value_kind kind;
  std::string_view name;
  std::string_view type, format;
  std::string_view text;
};

constexpr special_row specials[] = {
    {value_kind::quantity, "io.k8s.apimachinery.pkg.api.resource.Quantity", "string", "",
     "An amount: a number, and a unit such as m, k, M, Gi."},
    {value_kind::int_or_string, "io.k8s.apimachinery.pkg.util.intstr.IntOrString", "string", "int-or-string",
     "A number, or a text."},
    {value_kind::time, "io.k8s.apimachinery.pkg.apis.meta.v1.Time", "string", "date-time",
     "A time as RFC 3339 writes it, to the second."},
    {value_kind::micro_time, "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime", "string", "date-time",
     "A time as RFC 3339 writes it, to the microsecond."},
    {value_kind::any, "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1", "object", "", "A set of fields."},
};

struct scalar_row {
  value_kind kind;
  std::string_view type, format;
};

constexpr scalar_row scalars[] = {
    {value_kind::string, "string", ""},      {value_kind::boolean, "boolean", ""},
    {value_kind::int32, "integer", "int32"}, {value_kind::int64, "integer", "int64"},
    {value_kind::bytes, "string", "byte"},   {value_kind::object, "object", ""},
};

const special_row* special_of(value_kind kind) {
  for (const auto& row : specials)
    if (row.kind == kind) return &row;
  return nullptr;
}

/// "core.v1.Pod" is io.k8s.api.core.v1.Pod, "meta.v1.ObjectMeta"
/// io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta.
std::string schema_name(std::string_view type) {
  return (type.starts_with("meta.") ? "io.k8s.apimachinery.pkg.apis." : "io.k8s.api.") + std::string{type};
}

class schema_writer {
public:
  schema_writer(openapi_version version, json::object& out, std::set<std::string_view>& seen)
      : version_(version), out_(out), seen_(seen) {}

  void add(const schema_type& type) {
    if (!seen_.insert(type.name).second) return;
    json::object properties;
    json::array required;
    for (const auto& field : type.by_json_name) {
      properties[field.field->name] = field_schema(type, *field.field);
      if (field.field->has(config::f_required)) required.emplace_back(field.field->name);
    }
    const auto* note = config::note_of(type.name);
    json::object schema{{"type", "object"}, {"description", note ? note->text : ""}};
    if (!required.empty()) schema["required"] = std::move(required);
    schema["properties"] = std::move(properties);
    out_[schema_name(type.name)] = std::move(schema);
    for (const auto& field : type.by_json_name)
      if (field.field->object != nullptr)
        add(*field.field->object);
      else if (const auto* special = special_of(field.field->kind))
        add(*special);
  }

  /// kind and apiVersion, which only whole objects have.
  void add_identity(const schema_type& type) {
    auto& schema = out_[schema_name(type.name)].as_object();
    auto& properties = schema["properties"].as_object();
    properties["apiVersion"] = {
        {"type", "string"}, {"description", "Group and version of the API that this object is written in."}};
    properties["kind"] = {{"type", "string"}, {"description", "What kind of object this is."}};
  }

private:
  void add(const special_row& row) {
    if (!seen_.insert(row.name).second) return;
    json::object schema{{"description", row.text}};
    bool number_too = row.kind == value_kind::quantity || row.kind == value_kind::int_or_string;
    if (number_too && version_ == openapi_version::v3)
      schema["oneOf"] = {{{"type", "string"}},
                         {{"type", row.kind == value_kind::quantity ? "number" : "integer"}}};
    else
      schema["type"] = row.type;
    if (!row.format.empty()) schema["format"] = row.format;
    out_[row.name] = std::move(schema);
  }

  json::object reference(std::string_view name) const {
    auto root = version_ == openapi_version::v2 ? "#/definitions/" : "#/components/schemas/";
    return {{"$ref", root + std::string{name}}};
  }

  /// A value alone; a reference is wrapped where version 3 wants other keys beside it.
  json::object value_schema(const schema_field& field) const {
    const auto* special = special_of(field.kind);
    if (field.object != nullptr || special != nullptr) {
      auto out = reference(field.object ? schema_name(field.object->name) : std::string{special->name});
      return version_ == openapi_version::v2 ? out : json::object{{"allOf", json::array{std::move(out)}}};
    }
    if (field.kind == value_kind::string_list) return {{"type", "array"}, {"items", {{"type", "string"}}}};
    for (const auto& row : scalars)
      if (row.kind == field.kind) {
        json::object out{{"type", row.type}};
        if (!row.format.empty()) out["format"] = row.format;
        return out;
      }
    return {{"type", "string"}};
  }

  json::object field_schema(const schema_type& type, const schema_field& field) const {
    auto value = value_schema(field);
    json::object out;
    if (field.shape == field_shape::list)
      out = {{"type", "array"}, {"items", std::move(value)}};
    else if (field.shape == field_shape::map)
      out = {{"type", "object"}, {"additionalProperties", std::move(value)}};
    else
      out = std::move(value);
    add_note(type, field, out);
    if (!field.merge_key.empty()) out["x-kubernetes-patch-merge-key"] = field.merge_key;
    if (field.has(config::f_merge)) out["x-kubernetes-patch-strategy"] = "merge";
    if (field.has(config::f_retain_keys))
      out["x-kubernetes-patch-strategy"] = field.has(config::f_merge) ? "merge,retainKeys" : "retainKeys";
    if (field.has(config::f_atomic))
      out[field.shape == field_shape::list ? "x-kubernetes-list-type" : "x-kubernetes-map-type"] = "atomic";
    if (field.has(config::f_set)) out["x-kubernetes-list-type"] = "set";
    if (!field.list_keys.empty()) {
      json::array keys;
      for (auto rest = field.list_keys;; rest.remove_prefix(rest.find(',') + 1)) {
        keys.emplace_back(rest.substr(0, rest.find(',')));
        if (rest.find(',') == std::string_view::npos) break;
      }
      out["x-kubernetes-list-map-keys"] = std::move(keys);
      out["x-kubernetes-list-type"] = "map";
    }
    return out;
  }

  /// What the field is for, its default and its values. Embedded messages (a volume's source) have their
  /// notes under the type that declares the field.
  static void add_note(const schema_type& type, const schema_field& field, json::object& out) {
    const auto* note = config::note_of(type.name, field.name);
    if (note == nullptr) note = config::note_of(field.owner, field.name);
    if (note == nullptr && type.short_name == "EphemeralContainer")
      note = config::note_of("core.v1.Container", field.name);
    // What says nothing of its own is what its type is, or a part of it.
    if (note == nullptr && field.object != nullptr) note = config::note_of(field.object->name);
    if (note == nullptr) note = config::note_of(type.name);
    std::string text{note ? note->text : ""};
    if (note && !note->default_json.empty()) {
      text += " Default: " + std::string{note->default_json} + ".";
      if (!out.contains("$ref") && !out.contains("allOf")) out["default"] = json::parse(note->default_json);
    }
    out["description"] = text;
    if (!note || note->values.empty()) return;
    json::array values;
    for (auto value : note->value_list())
      values.emplace_back(value);
    out["enum"] = std::move(values);
  }

  openapi_version version_;
  json::object& out_;
  std::set<std::string_view>& seen_;
};

} // namespace

void add_kind(const resource& r, const schema_type& type, openapi_version version, json::object& out,
              std::set<std::string_view>& seen) {
  schema_writer writer{version, out, seen};
  writer.add(type);
  writer.add_identity(type);
  json::array kinds{{{"group", r.group}, {"kind", r.kind}, {"version", r.version}}};
  out[schema_name(type.name)].as_object()["x-kubernetes-group-version-kind"] = std::move(kinds);
}

} // namespace podium::api
