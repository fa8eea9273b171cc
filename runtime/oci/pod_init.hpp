// The one process of a pod whose containers share a process namespace: it is number 1 there, reaps what is
// orphaned, and does nothing else. Without it the namespace would end with the first container that does.
#pragma once
#include "runtime/oci/sandbox_files.hpp"

namespace podium {

/// Starts the process in the pod's namespaces and cgroup and pins the namespace. Blocks for some
/// milliseconds. Idempotent while it lives; answers its number. It ends with the pod's cgroup, and when the
/// caller dies before it is in there. Errors: not_found (podium-pod-init is not there), io.
caf::expected<pid_t> start_pod_init(const oci_settings& settings, const cgroup_tree& cgroups,
                                    const create_sandbox& request);

/// A program that lies beside this one, or in its PATH; "" when there is none.
std::string find_helper(const std::string& name);

} // namespace podium
