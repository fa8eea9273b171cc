// Names of kernel parameters, and which of a pod's namespaces has values of its own for one. Source: the
// kernel's ipc_sysctl and net sysctl tables; Kubernetes' util/sysctl.
#pragma once
#include <string>
#include <string_view>

namespace podium {

/// Of a pod; `none` is the whole machine's.
enum class sysctl_namespace : unsigned char { none, ipc, net };

/// The name with dots between its parts. `net/ipv4/conf/eth0.1/x` is `net.ipv4.conf.eth0/1.x`: whichever
/// separator comes first is the one.
std::string normal_sysctl_name(std::string_view name);

/// The namespace that a parameter belongs to, by its normal name.
sysctl_namespace namespace_of_sysctl(std::string_view name);

/// The same of `net.core.*`: every parameter that begins so. One without a * is a name.
sysctl_namespace namespace_of_sysctl_pattern(std::string_view pattern);

} // namespace podium
