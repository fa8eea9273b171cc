#include "actors/container_kinds.hpp"

namespace podium {

std::vector<found_container> containers_of(const pod_spec& pod) {
  std::vector<found_container> out;
  for (auto& c : pod.init_containers)
    out.push_back({&c, c.restart_policy == "Always" ? container_kind::sidecar : container_kind::init});
  for (auto& c : pod.containers)
    out.push_back({&c, container_kind::regular});
  for (auto& c : pod.ephemeral_containers)
    out.push_back({&c, container_kind::ephemeral});
  return out;
}

found_container find_container(const pod_spec& pod, std::string_view name) {
  for (auto& c : containers_of(pod))
    if (c.spec->name == name) return c;
  return {};
}

std::string field_path_of(const pod_spec& pod, std::string_view name) {
  auto found = find_container(pod, name);
  if (!found) return {};
  auto* list = found.kind == container_kind::regular     ? "containers"
               : found.kind == container_kind::ephemeral ? "ephemeralContainers"
                                                         : "initContainers";
  return "spec." + std::string{list} + "{" + std::string{name} + "}";
}

} // namespace podium
