// A pod's containers of all three lists by name, and what kind each is.
#pragma once
#include "messages/pod.hpp"

#include <string_view>

namespace podium {

/// An init container with restartPolicy Always is a sidecar.
enum class container_kind : uint8_t { init, sidecar, regular, ephemeral };
BOOST_DESCRIBE_ENUM(container_kind, init, sidecar, regular, ephemeral)

/// One container of a pod: null where the pod has none of that name. Lives as long as the spec.
struct found_container {
  const container_spec* spec = nullptr;
  container_kind kind = container_kind::regular;
  explicit operator bool() const { return spec != nullptr; }
};

/// Names are unique over all lists.
found_container find_container(const pod_spec& pod, std::string_view name);

/// All of them: init containers, regular and ephemeral ones, each in the order of the spec.
std::vector<found_container> containers_of(const pod_spec& pod);

/// How events call it: `spec.initContainers{db}`; "" when the pod has no such container.
std::string field_path_of(const pod_spec& pod, std::string_view name);

} // namespace podium
