#include "api/openapi.hpp"

#include "api/openapi_schema.hpp"
#include "api/openapi_v2.hpp"
#include "api/resources.hpp"
#include "core/random.hpp"

#include <boost/json.hpp>
#include <set>

namespace podium::api {
namespace {

namespace json = boost::json;

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
    if (auto* type = config::type_of(r.gvk())) add_kind(r, *type, openapi_version::v3, schemas, seen);
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

openapi_documents::openapi_documents() : v2_(make_entry(openapi_v2_protobuf())) {
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
