#include "actors/sysctl_rules.hpp"

#include "core/sysctls.hpp"

#include <algorithm>
#include <array>

namespace podium {
namespace {

/// Those of which one pod's value is nothing to any other pod. Source: the kubelet's safe list, for kernels
/// from 4.15 on.
constexpr std::array<std::string_view, 12> safe_sysctls{"kernel.shm_rmid_forced",
                                                        "net.ipv4.ip_local_port_range",
                                                        "net.ipv4.tcp_syncookies",
                                                        "net.ipv4.ping_group_range",
                                                        "net.ipv4.tcp_keepalive_time",
                                                        "net.ipv4.ip_unprivileged_port_start",
                                                        "net.ipv4.tcp_fin_timeout",
                                                        "net.ipv4.ip_local_reserved_ports",
                                                        "net.ipv4.tcp_keepalive_intvl",
                                                        "net.ipv4.tcp_keepalive_probes",
                                                        "net.ipv4.tcp_rmem",
                                                        "net.ipv4.tcp_wmem"};

bool fits(const std::string& pattern, const std::string& name) {
  auto star = pattern.find('*');
  return star == std::string::npos ? pattern == name : name.starts_with(pattern.substr(0, star));
}

std::string fault_of(const pod_spec& spec, const std::string& name,
                     const std::vector<std::string>& allowed_unsafe) {
  bool known = std::find(safe_sysctls.begin(), safe_sysctls.end(), name) != safe_sysctls.end();
  for (auto& pattern : allowed_unsafe)
    known = known || fits(normal_sysctl_name(pattern), name);
  if (!known) return "\"" + name + "\" not allowlisted";
  auto of = namespace_of_sysctl(name);
  if (of == sysctl_namespace::ipc && spec.host_ipc)
    return "\"" + name + "\" not allowed with host IPC enabled";
  if (of == sysctl_namespace::net && spec.host_network)
    return "\"" + name + "\" not allowed with host Net enabled";
  return {};
}

} // namespace

admission_fault forbidden_sysctl(const pod_spec& spec, const std::vector<std::string>& allowed_unsafe) {
  if (!spec.security_context_) return {};
  for (auto& s : spec.security_context_->sysctls)
    if (auto why = fault_of(spec, normal_sysctl_name(s.name), allowed_unsafe); !why.empty())
      return {"SysctlForbidden", "Pod was rejected: forbidden sysctl: " + why};
  return {};
}

} // namespace podium
