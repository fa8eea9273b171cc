#include "api/openapi_v2.hpp"

#include "api/openapi_schema.hpp"
#include "config/json_access.hpp"

namespace podium::api {
namespace {

namespace json = boost::json;

/// Writes protobuf messages: fields in the order they are added.
class message {
public:
  message& text(uint32_t number, std::string_view value) {
    varint(number << 3 | 2);
    varint(value.size());
    bytes_.append(value);
    return *this;
  }
  message& add(uint32_t number, const message& value) { return text(number, value.bytes_); }
  const std::string& bytes() const { return bytes_; }

private:
  void varint(uint64_t n) {
    for (; n >= 0x80; n >>= 7)
      bytes_ += static_cast<char>(n | 0x80);
    bytes_ += static_cast<char>(n);
  }
  std::string bytes_;
};

// The field numbers are those of openapiv2/OpenAPIv2.proto of gnostic.

/// Any: a value as YAML; JSON is YAML.
message any(const json::value& value) {
  return message{}.text(2, json::serialize(value) + "\n");
}

message named(std::string_view name, const message& value) {
  return message{}.text(1, name).add(2, value);
}

message named_any(std::string_view name, const json::value& value) {
  return named(name, any(value));
}

message schema_message(const json::object& schema);

message properties_message(const json::object& properties) {
  message out;
  for (const auto& [name, property] : properties)
    out.add(1, named(name, schema_message(property.as_object())));
  return out;
}

message schema_message(const json::object& schema) {
  message out;
  for (const auto& [key, value] : schema) {
    if (key == "$ref") out.text(1, value.as_string());
    if (key == "format") out.text(2, value.as_string());
    if (key == "description" && !value.as_string().empty()) out.text(4, value.as_string());
    if (key == "default") out.add(5, any(value));
    if (key == "required")
      for (const auto& name : value.as_array())
        out.text(19, name.as_string());
    if (key == "enum")
      for (const auto& word : value.as_array())
        out.add(20, any(word));
    if (key == "additionalProperties") out.add(21, message{}.add(1, schema_message(value.as_object())));
    if (key == "type") out.add(22, message{}.text(1, value.as_string()));
    if (key == "items") out.add(23, message{}.add(1, schema_message(value.as_object())));
    if (key == "properties") out.add(25, properties_message(value.as_object()));
    if (key.starts_with("x-")) out.add(31, named_any(key, value));
  }
  return out;
}

json::object gvk_of(const resource& r) {
  return {{"group", r.group}, {"kind", r.kind}, {"version", r.version}};
}

message query_parameter(std::string_view name) {
  auto parameter = message{}.text(2, "query").text(4, name).text(6, "string");
  return message{}.add(1, message{}.add(2, message{}.add(3, parameter)));
}

message operation(const resource& r, bool is_patch) {
  message out;
  if (is_patch) {
    for (auto type : {"application/json-patch+json", "application/merge-patch+json",
                      "application/strategic-merge-patch+json", "application/apply-patch+yaml"})
      out.text(7, type);
    for (auto name : {"dryRun", "fieldManager", "fieldValidation", "force"})
      out.add(8, query_parameter(name));
  }
  auto ok = message{}.add(1, message{}.text(1, "OK"));
  out.add(9, message{}.add(1, named("200", ok)));
  return out.add(13, named_any("x-kubernetes-group-version-kind", gvk_of(r)));
}

std::string path_of(const resource& r) {
  auto base = r.group.empty() ? "/api/v1" : "/apis/" + r.group_version();
  auto scope = r.namespaced ? "/namespaces/{namespace}/" : "/";
  return base + scope + std::string{r.plural} + "/{name}";
}

} // namespace

std::string openapi_v2_protobuf() {
  message paths, definitions;
  json::object schemas;
  std::set<std::string_view> seen;
  for (const auto& r : all_resources()) {
    message item;
    item.add(2, operation(r, false));
    if (r.allows(v_patch)) item.add(8, operation(r, true));
    paths.add(2, named(path_of(r), item));
    if (const auto* type = config::type_of(r.gvk())) add_kind(r, *type, openapi_version::v2, schemas, seen);
  }
  for (const auto& [name, schema] : schemas)
    definitions.add(1, named(name, schema_message(schema.as_object())));
  auto info = message{}.text(1, "Kubernetes").text(2, "v1.32.0");
  return message{}.text(1, "2.0").add(2, info).add(8, paths).add(9, definitions).bytes();
}

} // namespace podium::api
