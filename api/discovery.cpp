#include "api/discovery.hpp"

#include <boost/json.hpp>

namespace podium::api {
namespace {

namespace json = boost::json;

json::array texts(const std::vector<std::string_view>& list) {
  json::array out;
  for (auto& text : list)
    out.emplace_back(text);
  return out;
}

std::string gv_text(std::string_view group, std::string_view version) {
  return group.empty() ? std::string{version} : std::string{group} + "/" + std::string{version};
}

/// The kind behind a subresource: its own, or that of the resource; PodExecOptions and the like are core/v1.
std::string_view response_kind(const resource& r, const subresource& s) {
  return s.response_kind.empty() ? r.kind : s.response_kind;
}

json::object kind_object(const resource& r) {
  return {{"group", r.group}, {"version", r.version}, {"kind", r.kind}};
}

json::object kind_object(const resource& r, const subresource& s) {
  bool foreign = !s.response_version.empty();
  return {{"group", foreign ? s.response_group : r.group},
          {"version", foreign ? s.response_version : r.version},
          {"kind", response_kind(r, s)}};
}

json::object aggregated_resource(const resource& r) {
  json::object out{{"resource", r.plural},
                   {"responseKind", kind_object(r)},
                   {"scope", r.namespaced ? "Namespaced" : "Cluster"},
                   {"singularResource", r.singular},
                   {"verbs", texts(verb_names(r.verbs))}};
  if (!r.short_names.empty()) out["shortNames"] = texts(r.short_names);
  if (!r.categories.empty()) out["categories"] = texts(r.categories);
  json::array subs;
  for (auto& s : r.subresources)
    subs.push_back({{"subresource", s.name},
                    {"responseKind", kind_object(r, s)},
                    {"verbs", texts(verb_names(s.verbs))}});
  if (!subs.empty()) out["subresources"] = std::move(subs);
  return out;
}

json::object aggregated_group(std::string_view group) {
  json::array versions;
  for (auto& gv : all_group_versions()) {
    if (gv.group != group) continue;
    json::array resources;
    for (auto& r : all_resources())
      if (r.group == gv.group && r.version == gv.version) resources.push_back(aggregated_resource(r));
    versions.push_back(
        {{"version", gv.version}, {"freshness", "Current"}, {"resources", std::move(resources)}});
  }
  json::object meta{{"creationTimestamp", nullptr}};
  if (!group.empty()) meta["name"] = group;
  return {{"metadata", std::move(meta)}, {"versions", std::move(versions)}};
}

/// The groups beside the core one, in order.
std::vector<std::string_view> named_groups() {
  std::vector<std::string_view> out;
  for (auto& gv : all_group_versions())
    if (!gv.group.empty() && (out.empty() || out.back() != gv.group)) out.push_back(gv.group);
  return out;
}

json::object group_object(std::string_view group) {
  json::array versions;
  for (auto& gv : all_group_versions())
    if (gv.group == group)
      versions.push_back({{"groupVersion", gv_text(group, gv.version)}, {"version", gv.version}});
  json::object out{{"name", group}, {"versions", versions}};
  out["preferredVersion"] = versions.front();
  return out;
}

std::string line(const json::value& v) {
  return json::serialize(v) + "\n";
}

} // namespace

std::string aggregated_discovery(bool core, std::string_view version) {
  json::array items;
  if (core)
    items.push_back(aggregated_group(""));
  else
    for (auto& group : named_groups())
      items.push_back(aggregated_group(group));
  return line(json::object{{"kind", "APIGroupDiscoveryList"},
                           {"apiVersion", "apidiscovery.k8s.io/" + std::string{version}},
                           {"metadata", json::object{}},
                           {"items", std::move(items)}});
}

std::string aggregated_content_type(std::string_view version) {
  return "application/json;g=apidiscovery.k8s.io;v=" + std::string{version} + ";as=APIGroupDiscoveryList";
}

std::string api_versions_document(std::string_view server_address) {
  json::array addresses{{{"clientCIDR", "0.0.0.0/0"}, {"serverAddress", server_address}}};
  return line(json::object{{"kind", "APIVersions"},
                           {"versions", json::array{"v1"}},
                           {"serverAddressByClientCIDRs", std::move(addresses)}});
}

std::string api_group_list_document() {
  json::array groups;
  for (auto& group : named_groups())
    groups.push_back(group_object(group));
  return line(json::object{{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(groups)}});
}

std::string api_group_document(std::string_view group) {
  auto out = group_object(group);
  out["kind"] = "APIGroup";
  out["apiVersion"] = "v1";
  return line(out);
}

std::string api_resource_list_document(std::string_view group, std::string_view version) {
  json::array list;
  for (auto& r : all_resources()) {
    if (r.group != group || r.version != version) continue;
    json::object row{{"name", r.plural},
                     {"singularName", r.singular},
                     {"namespaced", r.namespaced},
                     {"kind", r.kind},
                     {"verbs", texts(verb_names(r.verbs))}};
    if (!r.short_names.empty()) row["shortNames"] = texts(r.short_names);
    if (!r.categories.empty()) row["categories"] = texts(r.categories);
    list.push_back(std::move(row));
    for (auto& s : r.subresources) {
      json::object below{{"name", std::string{r.plural} + "/" + std::string{s.name}},
                         {"singularName", ""},
                         {"namespaced", r.namespaced},
                         {"kind", response_kind(r, s)},
                         {"verbs", texts(verb_names(s.verbs))}};
      if (!s.response_version.empty()) {
        below["group"] = s.response_group;
        below["version"] = s.response_version;
      }
      list.push_back(std::move(below));
    }
  }
  return line(json::object{{"kind", "APIResourceList"},
                           {"apiVersion", "v1"},
                           {"groupVersion", gv_text(group, version)},
                           {"resources", std::move(list)}});
}

std::string version_document(std::string_view git_version) {
  return line(json::object{{"major", "1"},
                           {"minor", "32"},
                           {"gitVersion", git_version},
                           {"gitCommit", ""},
                           {"gitTreeState", "clean"},
                           {"buildDate", "1970-01-01T00:00:00Z"},
                           {"goVersion", ""},
                           {"compiler", "gcc"},
                           {"platform", "linux/amd64"}});
}

} // namespace podium::api
