#include "api/openapi.hpp"

#include "api/resources.hpp"
#include "core/random.hpp"

#include <boost/json.hpp>
#include <set>

namespace podium::api {
namespace {

namespace json = boost::json;
using config::field_shape;
using config::schema_field;
using config::schema_type;
using config::value_kind;

/// "core.v1.Pod" is io.k8s.api.core.v1.Pod, "meta.v1.ObjectMeta"
/// io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta.
std::string schema_name(std::string_view type) {
  return (type.starts_with("meta.") ? "io.k8s.apimachinery.pkg.apis." : "io.k8s.api.") + std::string{type};
}

json::object reference(const schema_type& type) {
  return {{"$ref", "#/components/schemas/" + schema_name(type.name)}};
}

json::object scalar_schema(value_kind kind) {
  switch (kind) {
  case value_kind::boolean:
    return {{"type", "boolean"}};
  case value_kind::int32:
    return {{"type", "integer"}, {"format", "int32"}};
  case value_kind::int64:
    return {{"type", "integer"}, {"format", "int64"}};
  case value_kind::bytes:
    return {{"type", "string"}, {"format", "byte"}};
  case value_kind::quantity:
    return {{"type", "string"}, {"format", "quantity"}};
  case value_kind::int_or_string:
    return {{"type", "string"}, {"format", "int-or-string"}};
  case value_kind::time:
  case value_kind::micro_time:
    return {{"type", "string"}, {"format", "date-time"}};
  case value_kind::string_list:
    return {{"type", "array"}, {"items", {{"type", "string"}}}};
  case value_kind::object:
  case value_kind::any:
    return {{"type", "object"}};
  case value_kind::string:
    break;
  }
  return {{"type", "string"}};
}

json::object field_schema(const schema_field& field) {
  auto value = field.object ? reference(*field.object) : scalar_schema(field.kind);
  json::object out;
  switch (field.shape) {
  case field_shape::list:
    out = {{"type", "array"}, {"items", std::move(value)}};
    break;
  case field_shape::map:
    out = {{"type", "object"}, {"additionalProperties", std::move(value)}};
    break;
  case field_shape::single:
    if (field.object)
      out = {{"allOf", json::array{std::move(value)}}};
    else
      out = std::move(value);
  }
  out["description"] = "";
  if (!field.merge_key.empty()) out["x-kubernetes-patch-merge-key"] = field.merge_key;
  if (field.has(config::f_merge)) out["x-kubernetes-patch-strategy"] = "merge";
  if (field.has(config::f_retain_keys))
    out["x-kubernetes-patch-strategy"] = field.has(config::f_merge) ? "merge,retainKeys" : "retainKeys";
  if (field.has(config::f_atomic)) out["x-kubernetes-list-type"] = "atomic";
  if (field.has(config::f_set)) out["x-kubernetes-list-type"] = "set";
  return out;
}

/// Writes the schema of `type` and of all it refers to into `out`.
void add_schema(const schema_type& type, json::object& out, std::set<std::string_view>& seen) {
  if (!seen.insert(type.name).second) return;
  json::object properties;
  json::array required;
  for (auto& field : type.by_json_name) {
    properties[field.field->name] = field_schema(*field.field);
    if (field.field->has(config::f_required)) required.emplace_back(field.field->name);
  }
  json::object schema{{"type", "object"}, {"description", ""}, {"properties", std::move(properties)}};
  if (!required.empty()) schema["required"] = std::move(required);
  out[schema_name(type.name)] = std::move(schema);
  for (auto& field : type.by_json_name)
    if (field.field->object) add_schema(*field.field->object, out, seen);
}

json::array query_parameters() {
  json::array out;
  for (auto name : {"dryRun", "fieldManager", "fieldValidation", "force", "pretty"})
    out.push_back({{"name", name}, {"in", "query"}, {"schema", {{"type", "string"}}}});
  return out;
}

/// The path item of one object; kubectl looks for `patch` and its fieldValidation parameter. A request body
/// is left out on purpose: with one, kubectl would compute patches from these schemas rather than from its
/// own types.
json::object path_item(const resource& r) {
  json::object gvk{{"group", r.group}, {"version", r.version}, {"kind", r.kind}};
  json::object responses{{"200", {{"description", "OK"}}}};
  json::object out;
  out["get"] = {{"x-kubernetes-group-version-kind", gvk}, {"responses", responses}};
  if (r.allows(v_patch))
    out["patch"] = {{"x-kubernetes-group-version-kind", gvk},
                    {"parameters", query_parameters()},
                    {"responses", responses}};
  return out;
}

std::string document_of(const group_version& gv) {
  json::object paths, schemas;
  std::set<std::string_view> seen;
  for (auto& r : all_resources()) {
    if (r.group != gv.group || r.version != gv.version) continue;
    auto base = r.group.empty() ? "/api/v1" : "/apis/" + r.group_version();
    auto scope = r.namespaced ? "/namespaces/{namespace}/" : "/";
    paths[base + scope + std::string{r.plural} + "/{name}"] = path_item(r);
    auto* type = config::type_of(r.gvk());
    if (!type) continue;
    add_schema(*type, schemas, seen);
    json::array kinds{{{"group", r.group}, {"version", r.version}, {"kind", r.kind}}};
    schemas[schema_name(type->name)].as_object()["x-kubernetes-group-version-kind"] = std::move(kinds);
  }
  return json::serialize(json::object{{"openapi", "3.0.0"},
                                      {"info", {{"title", "Kubernetes"}, {"version", "v1.32.0"}}},
                                      {"paths", std::move(paths)},
                                      {"components", {{"schemas", std::move(schemas)}}}});
}

std::string hex(uint64_t n) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string out(16, '0');
  for (size_t i = 16; i-- > 0; n >>= 4)
    out[i] = digits[n & 15];
  return out;
}

openapi_documents::entry make_entry(std::string text) {
  auto etag = "\"" + hex(fnv1a(text)) + "\"";
  return {std::make_shared<const std::string>(std::move(text)), std::move(etag)};
}

std::string key_of(std::string_view group, std::string_view version) {
  return group.empty() ? "api/" + std::string{version}
                       : "apis/" + std::string{group} + "/" + std::string{version};
}

} // namespace

openapi_documents::openapi_documents() {
  json::object paths;
  for (auto& gv : all_group_versions()) {
    auto key = key_of(gv.group, gv.version);
    auto& e = documents_[key] = make_entry(document_of(gv));
    auto hash = e.etag.substr(1, e.etag.size() - 2);
    paths[key] = {{"serverRelativeURL", "/openapi/v3/" + key + "?hash=" + hash}};
  }
  index_ = make_entry(json::serialize(json::object{{"paths", std::move(paths)}}));
}

const openapi_documents::entry* openapi_documents::find(std::string_view group,
                                                        std::string_view version) const {
  auto i = documents_.find(key_of(group, version));
  return i == documents_.end() ? nullptr : &i->second;
}

} // namespace podium::api
