#include "runtime/oci/spec_mounts.hpp"

#include <initializer_list>

namespace podium {

namespace json = boost::json;

namespace {

json::object mount(const std::string& destination, const char* type, const std::string& source,
                   std::initializer_list<const char*> options) {
  json::array list;
  for (auto* o : options)
    list.emplace_back(o);
  return {{"destination", destination}, {"type", type}, {"source", source}, {"options", std::move(list)}};
}

} // namespace

json::array make_mounts(const create_container& request, const container_places& places, bool privileged) {
  const char* access = privileged ? "rw" : "ro";
  json::array mounts;
  mounts.push_back(mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}));
  mounts.push_back(mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}));
  mounts.push_back(mount("/dev/pts", "devpts", "devpts",
                         {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}));
  if (places.shm.empty())
    mounts.push_back(
        mount("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}));
  else
    mounts.push_back(mount("/dev/shm", "bind", places.shm, {"rbind", "rprivate", "rw"}));
  if (!request.host_ipc)
    mounts.push_back(mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}));
  mounts.push_back(mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", access}));
  mounts.push_back(
      mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", access}));
  auto bind = [&](const std::string& source, const std::string& destination) {
    if (!source.empty() && !destination.empty())
      mounts.push_back(mount(destination, "bind", source, {"rbind", "rprivate", "rw"}));
  };
  bind(places.hosts, "/etc/hosts");
  bind(places.hostname, "/etc/hostname");
  bind(places.resolv_conf, "/etc/resolv.conf");
  auto& path = request.spec.termination_message_path;
  bind(places.termination_log, path.empty() ? "/dev/termination-log" : path);
  return mounts;
}

json::array masked_paths() {
  return {"/proc/acpi",
          "/proc/asound",
          "/proc/kcore",
          "/proc/keys",
          "/proc/latency_stats",
          "/proc/timer_list",
          "/proc/timer_stats",
          "/proc/sched_debug",
          "/proc/scsi",
          "/sys/firmware",
          "/sys/devices/virtual/powercap"};
}

json::array readonly_paths() {
  return {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
}

} // namespace podium
