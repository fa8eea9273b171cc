#include "core/sysctls.hpp"

#include <algorithm>
#include <array>

namespace podium {
namespace {

constexpr std::array<std::string_view, 8> ipc_names{
    "kernel.sem",    "kernel.shmall",          "kernel.shmmax", "kernel.shmmni",
    "kernel.msgmax", "kernel.shm_rmid_forced", "kernel.msgmnb", "kernel.msgmni"};

} // namespace

std::string normal_sysctl_name(std::string_view name) {
  std::string out{name};
  auto first = out.find_first_of("./");
  if (first == std::string::npos || out[first] == '.') return out;
  for (auto& c : out)
    if (c == '/')
      c = '.';
    else if (c == '.')
      c = '/';
  return out;
}

sysctl_namespace namespace_of_sysctl(std::string_view name) {
  if (name.starts_with("net.")) return sysctl_namespace::net;
  bool ipc = name.starts_with("fs.mqueue.")
             || std::find(ipc_names.begin(), ipc_names.end(), name) != ipc_names.end();
  return ipc ? sysctl_namespace::ipc : sysctl_namespace::none;
}

sysctl_namespace namespace_of_sysctl_pattern(std::string_view pattern) {
  auto star = pattern.find('*');
  if (star == std::string_view::npos) return namespace_of_sysctl(pattern);
  auto beginning = pattern.substr(0, star);
  // All that begins so is of one namespace, as far as the kernel knows them.
  if (beginning == "kernel.shm" || beginning == "kernel.msg") return sysctl_namespace::ipc;
  return namespace_of_sysctl(beginning);
}

} // namespace podium
