// Validation of changes to a status: what a node or a controller may not say.
#include "config/judged.hpp"

namespace podium::config {
namespace {

const json::object& part_of(const json::value& object, std::string_view key) {
  static const json::object none;
  const auto* found = object_at(object, key);
  return found == nullptr ? none : *found;
}

/// Addresses: all good, none twice, at most one of each family.
void validate_ips(const judged& status, std::string_view field) {
  const auto& list = status.list(field);
  size_t v6 = 0;
  std::set<std::string_view> seen;
  status.each(field, [&](const judged& entry, size_t) {
    auto ip = entry.text("ip");
    entry.out().invalid(entry.path(), json::value(ip), check_ip(ip));
    v6 += ip.find(':') != std::string_view::npos ? 1 : 0;
  });
  if (list.size() > 1 && (list.size() > 2 || v6 != 1))
    status.invalid(field, "may specify no more than one IP for each IP family");
  status.each(field, [&](const judged& entry, size_t) {
    if (!seen.insert(entry.text("ip")).second)
      entry.out().duplicate(entry.path(), json::value(entry.object()));
  });
}

const json::object* terminated(const json::value& status) {
  const auto* state = object_at(status, "state");
  return state == nullptr ? nullptr : object_at(*state, "terminated");
}

/// A container that ended for good does not run again.
void validate_transitions(const judged& before, const judged& after, std::string_view field,
                          std::string_view policy, const std::set<std::string_view>& restartable) {
  if (policy == "Always") return;
  const auto& old = before.list(field);
  for (size_t i = 0; i < old.size(); ++i) {
    const auto* ended = terminated(old[i]);
    auto name = text_at(old[i], "name");
    if (ended == nullptr || restartable.contains(name)) continue;
    if (policy == "OnFailure" && int_at(*ended, "exitCode") != 0) continue;
    for (const auto& status : after.list(field))
      if (text_at(status, "name") == name && terminated(status) == nullptr)
        after.out().forbidden(join_path(after.at(field, i), "state"),
                              "may not be transitioned to non-terminated state");
  }
}

void validate_pod_status(const json::value& before, const json::value& after, field_causes& out) {
  judged spec{part_of(after, "spec"), "spec", out};
  judged was{part_of(before, "status"), "status", out};
  judged is{part_of(after, "status"), "status", out};
  // Kubernetes gives the path of conditions as if they lay in metadata.
  const auto& conditions = is.list("conditions");
  for (size_t i = 0; i < conditions.size(); ++i) {
    auto type = text_at(conditions[i], "type");
    out.invalid(join_path("metadata.conditions", i) + ".Type", json::value(type), check_qualified_name(type));
  }
  is.format("nominatedNodeName", check_dns_subdomain);
  std::set<std::string_view> sidecars;
  spec.each("initContainers", [&](const judged& container, size_t) {
    if (container.text("restartPolicy") == "Always") sidecars.insert(container.text("name"));
  });
  auto policy = spec.text("restartPolicy");
  validate_transitions(was, is, "containerStatuses", policy, {});
  validate_transitions(was, is, "initContainerStatuses", policy, sidecars);
  validate_transitions(was, is, "ephemeralContainerStatuses", "Never", {});
  validate_ips(is, "podIPs");
  const auto& hosts = is.list("hostIPs");
  if (!hosts.empty() && text_at(hosts.front(), "ip") != is.text("hostIP"))
    out.invalid("status.hostIPs[0].ip", json::value(text_at(hosts.front(), "ip")),
                "must be equal to `hostIP`");
  validate_ips(is, "hostIPs");
}

void validate_namespace_status(const json::value& after, field_causes& out) {
  bool ends = has(part_of(after, "metadata"), "deletionTimestamp");
  auto phase = text_at(part_of(after, "status"), "phase");
  if (ends ? phase == "Terminating" : phase == "Active") return;
  out.invalid("status.Phase", json::value(phase),
              ends ? "may only be 'Terminating' if `deletionTimestamp` is not empty"
                   : "may only be 'Active' if `deletionTimestamp` is empty");
}

} // namespace

field_causes validate_status_update(const group_version_kind& gvk, const json::value& before,
                                    const json::value& after) {
  field_causes out;
  validate_metadata_update(before, after, out);
  bool namespaced = !text_at(part_of(after, "metadata"), "namespace").empty();
  validate_metadata(after, namespaced, check_path_segment, out);
  if (!gvk.group.empty()) return out;
  if (gvk.kind == "Pod") validate_pod_status(before, after, out);
  if (gvk.kind == "Namespace") validate_namespace_status(after, out);
  if (gvk.kind == "Node") {
    validate_node(after, out);
    validate_node_update(before, after, out);
  }
  return out;
}

} // namespace podium::config
