#include "api/resources.hpp"

#include "api/event_forms.hpp"
#include "api/printers.hpp"

#include <algorithm>

namespace podium::api {
namespace {

constexpr uint16_t status_verbs = v_get | v_patch | v_update;

std::vector<resource> make_rows() {
  std::vector<resource> rows;
  rows.push_back({
      .plural = "pods",
      .singular = "pod",
      .kind = "Pod",
      .group = "",
      .version = "v1",
      .short_names = {"po"},
      .categories = {"all"},
      .subresources = {{"attach", subresource_kind::attach, v_create | v_get, "PodAttachOptions"},
                       {"binding", subresource_kind::binding, v_create, "Binding"},
                       {"ephemeralcontainers", subresource_kind::ephemeralcontainers, status_verbs, ""},
                       {"eviction", subresource_kind::eviction, v_create, "Eviction", "policy", "v1"},
                       {"exec", subresource_kind::exec, v_create | v_get, "PodExecOptions"},
                       {"log", subresource_kind::log, v_get, ""},
                       {"portforward", subresource_kind::portforward, v_create | v_get,
                        "PodPortForwardOptions"},
                       {"status", subresource_kind::status, status_verbs, ""}},
      .printer = &pod_printer,
      .stored_as = "pods",
  });
  rows.push_back({
      .plural = "nodes",
      .singular = "node",
      .kind = "Node",
      .group = "",
      .version = "v1",
      .namespaced = false,
      .short_names = {"no"},
      .subresources = {{"status", subresource_kind::status, status_verbs, ""}},
      .printer = &node_printer,
      .stored_as = "nodes",
  });
  rows.push_back({
      .plural = "namespaces",
      .singular = "namespace",
      .kind = "Namespace",
      .group = "",
      .version = "v1",
      .namespaced = false,
      .short_names = {"ns"},
      .verbs = all_verbs & ~v_deletecollection,
      .subresources = {{"finalize", subresource_kind::finalize, v_update, ""},
                       {"status", subresource_kind::status, status_verbs, ""}},
      .printer = &namespace_printer,
      .stored_as = "namespaces",
  });
  rows.push_back({
      .plural = "events",
      .singular = "event",
      .kind = "Event",
      .group = "",
      .version = "v1",
      .short_names = {"ev"},
      .printer = &event_printer,
      .stored_as = "events",
  });
  rows.push_back({
      .plural = "events",
      .singular = "event",
      .kind = "Event",
      .group = "events.k8s.io",
      .version = "v1",
      .short_names = {"ev"},
      .printer = &event_printer,
      .stored_as = "events",
      .convert = &to_events_v1,
      .revert = &from_events_v1,
  });
  rows.push_back({
      .plural = "leases",
      .singular = "lease",
      .kind = "Lease",
      .group = "coordination.k8s.io",
      .version = "v1",
      .printer = &lease_printer,
      .stored_as = "leases.coordination.k8s.io",
  });
  for (auto& r : data_resources())
    rows.push_back(std::move(r));
  for (auto& r : unstored_resources())
    rows.push_back(std::move(r));
  return rows;
}

const std::vector<resource>& unlisted() {
  static const std::vector<resource> the_rows = unlisted_resources();
  return the_rows;
}

const std::vector<resource>& rows() {
  static const std::vector<resource> the_rows = make_rows();
  return the_rows;
}

} // namespace

std::vector<std::string_view> verb_names(uint16_t verbs) {
  static constexpr std::pair<verb, std::string_view> names[] = {
      {v_create, "create"}, {v_delete, "delete"}, {v_deletecollection, "deletecollection"},
      {v_get, "get"},       {v_list, "list"},     {v_patch, "patch"},
      {v_update, "update"}, {v_watch, "watch"}};
  std::vector<std::string_view> out;
  for (auto& [bit, name] : names)
    if (verbs & bit) out.push_back(name);
  return out;
}

std::string resource::qualified() const {
  return group.empty() ? std::string{plural} : std::string{plural} + "." + std::string{group};
}

std::string resource::group_version() const {
  return group.empty() ? std::string{version} : std::string{group} + "/" + std::string{version};
}

config::group_version_kind resource::gvk() const {
  return {std::string{group}, std::string{version}, std::string{kind}};
}

const subresource* resource::find_subresource(std::string_view name) const {
  auto i = std::find_if(subresources.begin(), subresources.end(), [&](auto& s) { return s.name == name; });
  return i == subresources.end() ? nullptr : &*i;
}

std::span<const resource> all_resources() {
  return rows();
}

const resource* find_resource(std::string_view group, std::string_view version, std::string_view plural) {
  for (auto* table : {&rows(), &unlisted()})
    for (auto& r : *table)
      if (r.group == group && r.version == version && r.plural == plural) return &r;
  return nullptr;
}

bool serves(std::string_view group, std::string_view version) {
  auto is_of = [&](const resource& r) { return r.group == group && r.version == version; };
  return std::any_of(rows().begin(), rows().end(), is_of)
         || std::any_of(unlisted().begin(), unlisted().end(), is_of);
}

std::span<const group_version> all_group_versions() {
  static const std::vector<group_version> list = [] {
    std::vector<group_version> out;
    for (auto& r : rows())
      if (std::find(out.begin(), out.end(), group_version{r.group, r.version}) == out.end())
        out.push_back({r.group, r.version});
    return out;
  }();
  return list;
}

} // namespace podium::api
