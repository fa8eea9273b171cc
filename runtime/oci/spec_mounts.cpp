#include "runtime/oci/spec_mounts.hpp"

#include <algorithm>
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

/// A volume, as it is bound into the container.
json::object bind_of(const container_mount& volume) {
  auto propagation = volume.propagation == "HostToContainer" ? "rslave"
                     : volume.propagation == "Bidirectional" ? "rshared"
                                                             : "rprivate";
  auto out = mount(volume.destination, "bind", volume.source,
                   {"rbind", propagation, volume.read_only ? "ro" : "rw"});
  if (volume.recursive_read_only) out["options"].get_array().emplace_back("rro");
  return out;
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
  for (auto& volume : request.mounts) {
    // What a pod mounts itself takes the place of what it would find there anyway.
    auto same = [&](auto& m) { return m.at("destination").as_string() == volume.destination; };
    mounts.erase(std::remove_if(mounts.begin(), mounts.end(), same), mounts.end());
    mounts.push_back(bind_of(volume));
  }
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
