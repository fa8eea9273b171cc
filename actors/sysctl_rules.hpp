// Which kernel parameters a pod may set. Pure. Source: the kubelet's sysctl allow list.
#pragma once
#include "actors/admission.hpp"

namespace podium {

/// The first sysctl of a pod that it may not have: neither safe nor in `allowed_unsafe` (names, or beginnings
/// with a * behind), or of a namespace that it shares with the host.
admission_fault forbidden_sysctl(const pod_spec& spec, const std::vector<std::string>& allowed_unsafe);

} // namespace podium
