// Which of a pod's volumes a container sees where.
#include "actors/pod_inputs.hpp"
#include "core/error.hpp"

#include <algorithm>

namespace podium {
namespace {

caf::error config_error(std::string text) {
  return make_error(errc::container_config, std::move(text));
}

/// `subPathExpr` by the container's environment. Source: ExpandContainerVolumeMounts.
caf::expected<std::string> expanded_sub_path(const volume_mount& mount, const container_spec& container) {
  if (mount.sub_path_expr.empty()) return mount.sub_path;
  std::set<std::string> missing;
  auto out = expand_references(mount.sub_path_expr, [&](const std::string& name) {
    auto i =
        std::find_if(container.env.begin(), container.env.end(), [&](auto& e) { return e.name == name; });
    if (i == container.env.end() || i->value.empty()) missing.insert(name);
    return i == container.env.end() ? std::string{} : i->value;
  });
  if (missing.empty()) return out;
  std::string text;
  for (auto& name : missing)
    text += (text.empty() ? "" : ", ") + name;
  return config_error("missing value for " + text);
}

bool has_back_step(const std::string& path) {
  for (size_t at = 0; at <= path.size();) {
    auto end = std::min(path.find('/', at), path.size());
    if (path.compare(at, end - at, "..") == 0) return true;
    at = end + 1;
  }
  return false;
}

/// Volumes that hold what the node writes are never written by containers. Source: the kubelet mounts them
/// read only.
bool always_read_only(const volume& v) {
  return v.config_map || v.secret || v.downward_api || v.projected
         || (v.persistent_volume_claim && v.persistent_volume_claim->read_only);
}

size_t depth_of(const std::string& path) {
  return static_cast<size_t>(std::count(path.begin(), path.end(), '/'));
}

} // namespace

caf::expected<std::vector<container_mount>> mounts_of(const input_facts& facts,
                                                      const container_spec& container,
                                                      const std::map<std::string, std::string>& places) {
  auto& volumes = facts.ref->as_pod().spec.volumes;
  std::vector<container_mount> out;
  for (auto& m : container.volume_mounts) {
    auto v = std::find_if(volumes.begin(), volumes.end(), [&](auto& x) { return x.name == m.name; });
    auto place = places.find(m.name);
    if (v == volumes.end() || place == places.end())
      return config_error("cannot find volume \"" + m.name + "\" to mount into container \"" + container.name
                          + "\"");
    auto sub_path = expanded_sub_path(m, container);
    if (!sub_path) return sub_path.error();
    if (sub_path->starts_with('/'))
      return config_error("error SubPath `" + *sub_path + "` must not be an absolute path");
    if (has_back_step(*sub_path))
      return config_error("unable to provision SubPath `" + *sub_path + "`: must not contain '..'");
    container_mount mount;
    mount.source = place->second;
    // Source: a relative path begins at the container's root.
    mount.destination = m.mount_path.starts_with('/') ? m.mount_path : "/" + m.mount_path;
    while (mount.destination.size() > 1 && mount.destination.ends_with('/'))
      mount.destination.pop_back();
    mount.sub_path = std::move(*sub_path);
    mount.read_only = m.read_only || always_read_only(*v);
    auto recursive = m.recursive_read_only.value_or("Disabled");
    mount.recursive_read_only = mount.read_only && (recursive == "Enabled" || recursive == "IfPossible");
    mount.propagation = m.mount_propagation.value_or("");
    out.push_back(std::move(mount));
  }
  // A mount in another one's directory comes after it.
  std::stable_sort(out.begin(), out.end(),
                   [](auto& a, auto& b) { return depth_of(a.destination) < depth_of(b.destination); });
  return out;
}

} // namespace podium
