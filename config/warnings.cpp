// What Kubernetes serves with a warning: fields that do nothing, twins of which one is lost, old names.
#include "config/judged.hpp"
#include "core/quantity.hpp"

namespace podium::config {
namespace {

using notes = std::vector<std::string>;

struct old_name {
  std::string_view name;
  std::string_view advice;
};

constexpr old_name old_node_labels[] = {
    {"beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"},
    {"beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"},
    {"failure-domain.beta.kubernetes.io/region",
     "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead"},
    {"failure-domain.beta.kubernetes.io/zone",
     "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead"},
    {"beta.kubernetes.io/instance-type",
     "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead"},
};

constexpr old_name old_annotations[] = {
    {"scheduler.alpha.kubernetes.io/critical-pod",
     "non-functional in v1.16+; use the \"priorityClassName\" field instead"},
    {"security.alpha.kubernetes.io/sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"},
    {"security.alpha.kubernetes.io/unsafe-sysctls",
     "non-functional in v1.11+; use the \"sysctls\" field instead"},
};

constexpr old_name old_volumes[] = {
    {"photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"},
    {"gitRepo", "deprecated in v1.11"},
    {"scaleIO", "deprecated in v1.16, non-functional in v1.22+"},
    {"flocker", "deprecated in v1.22, non-functional in v1.25+"},
    {"storageos", "deprecated in v1.22, non-functional in v1.25+"},
    {"quobyte", "deprecated in v1.22, non-functional in v1.25+"},
    {"glusterfs", "deprecated in v1.25, non-functional in v1.26+"},
    {"cephfs", "deprecated in v1.28, non-functional in v1.31+"},
    {"rbd", "deprecated in v1.28, non-functional in v1.31+"},
};

void note_node_selector(const judged& spec, notes& out) {
  const auto* selector = object_at(spec.object(), "nodeSelector");
  if (selector == nullptr) return;
  for (const auto& row : old_node_labels)
    if (selector->contains(row.name))
      out.push_back(spec.at("nodeSelector") + "[" + std::string{row.name} + "]: " + std::string{row.advice});
}

void note_annotations(const json::value& pod, notes& out) {
  const auto* metadata = object_at(pod, "metadata");
  const auto* annotations = metadata == nullptr ? nullptr : object_at(*metadata, "annotations");
  if (annotations == nullptr) return;
  for (const auto& row : old_annotations)
    if (annotations->contains(row.name))
      out.push_back("metadata.annotations[" + std::string{row.name} + "]: " + std::string{row.advice});
}

void note_volumes(const judged& spec, notes& out) {
  spec.each("volumes", [&](const judged& volume, size_t) {
    for (const auto& row : old_volumes)
      if (volume.has(row.name)) out.push_back(volume.at(row.name) + ": " + std::string{row.advice});
  });
}

void note_spread(const judged& spec, notes& out) {
  spec.each("topologySpreadConstraints", [&](const judged& c, size_t) {
    for (const auto& row : old_node_labels)
      if (c.text("topologyKey") == row.name)
        out.push_back(c.at("topologyKey") + ": " + std::string{row.name} + " is " + std::string{row.advice});
    if (!c.has("labelSelector"))
      out.push_back(c.at("labelSelector") + ": a null labelSelector results in matching no pod");
  });
}

/// Entries of a list with the same `field` as an earlier one.
void note_twins(const judged& spec, std::string_view list, std::string_view field, notes& out) {
  std::set<std::string_view> seen;
  spec.each(list, [&](const judged& entry, size_t) {
    if (!seen.insert(entry.text(field)).second)
      out.push_back(entry.at(field) + ": duplicate " + std::string{field} + " "
                    + shown_value(json::value(entry.text(field))));
  });
}

void note_nameless_secrets(const judged& spec, notes& out) {
  spec.each("imagePullSecrets", [&](const judged& secret, size_t) {
    if (secret.text("name").empty()) out.push_back(secret.at("name") + ": invalid empty name \"\"");
  });
}

void note_env(const judged& container, notes& out) {
  std::set<std::string_view> seen;
  container.each("env", [&](const judged& env, size_t) {
    auto name = env.text("name");
    if (seen.insert(name).second) return;
    // A value that takes up the earlier one (PATH=$(PATH):/opt) hides nothing.
    auto value = env.text("value");
    auto reference = "$(" + std::string{name} + ")";
    if (env.has("valueFrom") || value == reference || value.find(reference) == std::string_view::npos)
      out.push_back(env.path() + ": hides previous definition of " + shown_value(json::value(name))
                    + ", which may be dropped when using apply");
  });
}

/// A port as the warnings compare it.
struct noted_port {
  std::string path;
  int64_t number, host_port;
  std::string_view protocol, host_ip;
};

void note_ports(const judged& container, std::vector<noted_port>& seen, notes& out) {
  container.each("ports", [&](const judged& port, size_t) {
    noted_port p{port.path(), port.number("containerPort"), port.number("hostPort"), port.text("protocol"),
                 port.text("hostIP")};
    for (const auto& other : seen) {
      if (other.number != p.number || other.protocol != p.protocol) continue;
      if (other.host_ip == p.host_ip && other.host_port == p.host_port)
        out.push_back(p.path + ": duplicate port definition with " + other.path);
      else if (p.host_port == 0 || other.host_port == 0)
        out.push_back(p.path + ": overlapping port definition with " + other.path);
    }
    seen.push_back(std::move(p));
  });
}

void note_resources(const judged& container, notes& out) {
  container.with("resources", [&](const judged& resources) {
    for (auto resource : {"memory", "ephemeral-storage"})
      for (auto key : {"limits", "requests"})
        resources.with(key, [&](const judged& amounts) {
          auto amount = quantity::parse(amounts.text(resource));
          if (!amounts.text(resource).empty() && amount && !amount->is_whole())
            out.push_back(resources.at(key) + "[" + resource + "]: fractional byte value \""
                          + amount->to_string() + "\" is invalid, must be an integer");
        });
  });
}

void note_containers(const judged& spec, notes& out) {
  std::vector<noted_port> ports;
  constexpr std::string_view lists[] = {"initContainers", "containers", "ephemeralContainers"};
  for (auto list : lists)
    spec.each(list, [&](const judged& container, size_t) {
      note_resources(container, out);
      note_env(container, out);
    });
  for (auto list : lists)
    spec.each(list, [&](const judged& container, size_t) { note_ports(container, ports, out); });
}

void note_grace(const judged& spec, notes& out) {
  if (spec.number("terminationGracePeriodSeconds") < 0)
    out.push_back(spec.at("terminationGracePeriodSeconds")
                  + ": must be >= 0; negative values are invalid and will be treated as 1");
}

notes warnings_of_pod(const json::value& pod) {
  notes out;
  const auto* object = object_at(pod, "spec");
  if (object == nullptr) return out;
  field_causes unused;
  judged spec{*object, "spec", unused};
  note_node_selector(spec, out);
  note_spread(spec, out);
  note_annotations(pod, out);
  note_volumes(spec, out);
  note_twins(spec, "hostAliases", "ip", out);
  note_twins(spec, "imagePullSecrets", "name", out);
  note_nameless_secrets(spec, out);
  note_containers(spec, out);
  note_grace(spec, out);
  return out;
}

} // namespace

std::vector<std::string> warnings_of(const group_version_kind& gvk, const json::value& object,
                                     const json::value* before) {
  // The pod's spec hardly changes later: what there was to say was said when it was made.
  if (!gvk.group.empty() || gvk.kind != "Pod" || before != nullptr) return {};
  return warnings_of_pod(object);
}

} // namespace podium::config
