#include "runtime/oci/spec.hpp"

#include "core/cgroup_formulas.hpp"
#include "core/error.hpp"
#include "runtime/oci/spec_mounts.hpp"
#include <algorithm>
#include <array>
#include <map>

namespace podium {

namespace json = boost::json;

namespace {

constexpr std::array default_capabilities{
    "CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FSETID",           "CAP_FOWNER",
    "CAP_MKNOD",   "CAP_NET_RAW",      "CAP_SETGID",           "CAP_SETUID",
    "CAP_SETFCAP", "CAP_SETPCAP",      "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT",
    "CAP_KILL",    "CAP_AUDIT_WRITE"};
/// What this process may lack but a pod may name.
constexpr std::array other_capabilities{"CAP_DAC_READ_SEARCH",
                                        "CAP_LINUX_IMMUTABLE",
                                        "CAP_NET_BROADCAST",
                                        "CAP_NET_ADMIN",
                                        "CAP_IPC_LOCK",
                                        "CAP_IPC_OWNER",
                                        "CAP_SYS_MODULE",
                                        "CAP_SYS_RAWIO",
                                        "CAP_SYS_PTRACE",
                                        "CAP_SYS_PACCT",
                                        "CAP_SYS_ADMIN",
                                        "CAP_SYS_BOOT",
                                        "CAP_SYS_NICE",
                                        "CAP_SYS_RESOURCE",
                                        "CAP_SYS_TIME",
                                        "CAP_SYS_TTY_CONFIG",
                                        "CAP_LEASE",
                                        "CAP_AUDIT_CONTROL",
                                        "CAP_MAC_OVERRIDE",
                                        "CAP_MAC_ADMIN",
                                        "CAP_SYSLOG",
                                        "CAP_WAKE_ALARM",
                                        "CAP_BLOCK_SUSPEND",
                                        "CAP_AUDIT_READ",
                                        "CAP_PERFMON",
                                        "CAP_BPF",
                                        "CAP_CHECKPOINT_RESTORE"};
constexpr const char* default_path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr uint64_t usual_max_files = 1'048'576;

bool is_privileged(const container_spec& spec) {
  return spec.security_context_ && spec.security_context_->privileged.value_or(false);
}

bool known_capability(const std::string& name) {
  auto is = [&](const char* c) { return name == c; };
  return std::any_of(default_capabilities.begin(), default_capabilities.end(), is)
         || std::any_of(other_capabilities.begin(), other_capabilities.end(), is);
}

json::array strings(const std::vector<std::string>& list) {
  json::array result;
  for (auto& s : list)
    result.emplace_back(s);
  return result;
}

caf::expected<json::object> make_process(const create_container& request, const image_config& image,
                                         const resolved_user& user, const host_facts& host) {
  auto& spec = request.spec;
  auto args = process_args(spec, image);
  if (!args) return args.error();
  auto capabilities = process_capabilities(spec, host);
  if (!capabilities) return capabilities.error();
  json::array groups;
  for (auto gid : user.groups)
    groups.emplace_back(gid);
  auto caps = strings(*capabilities);
  // An unprivileged user keeps none across exec, which is what these sets mean without ambient ones.
  json::object sets{{"bounding", caps}, {"effective", caps}, {"permitted", caps}};
  auto files = std::min(usual_max_files, host.max_files);
  json::array limits{json::object{{"type", "RLIMIT_NOFILE"}, {"hard", files}, {"soft", files}}};
  auto& security = spec.security_context_;
  bool may_escalate = !security || security->allow_privilege_escalation.value_or(true) || is_privileged(spec);
  json::object process{
      {"terminal", spec.tty},
      {"user", {{"uid", user.uid}, {"gid", user.gid}, {"additionalGids", std::move(groups)}}},
      {"args", strings(*args)},
      {"env", strings(process_env(spec, image, request.hostname))},
      {"cwd", !spec.working_dir.empty()    ? spec.working_dir
              : !image.working_dir.empty() ? image.working_dir
                                           : std::string{"/"}},
      {"capabilities", std::move(sets)},
      {"rlimits", std::move(limits)},
      {"noNewPrivileges", !may_escalate},
      {"oomScoreAdj", std::max(request.oom_score_adj, host.oom_score_adj)}};
  return process;
}

json::array make_namespaces(const create_container& request, const host_facts& host,
                            const container_places& places) {
  json::array result;
  auto add = [&](const char* type, const std::string& path) {
    json::object entry{{"type", type}};
    if (!path.empty()) entry["path"] = path;
    result.push_back(std::move(entry));
  };
  add("mount", "");
  if (!request.host_pid) add("pid", places.pid_ns); // without a path: one of the container's own
  if (!places.net_ns.empty()) add("network", places.net_ns);
  if (!places.ipc_ns.empty()) add("ipc", places.ipc_ns);
  if (!places.uts_ns.empty()) add("uts", places.uts_ns);
  if (host.cgroup_v2 && !is_privileged(request.spec)) add("cgroup", "");
  return result;
}

json::object make_resources(const create_container& request) {
  json::object cpu{{"shares", request.cpu_shares}};
  if (request.cpu_quota_us > 0) {
    cpu["quota"] = request.cpu_quota_us;
    cpu["period"] = cpu_period_us;
  }
  json::object resources{{"cpu", std::move(cpu)}};
  if (request.memory_limit_bytes > 0) resources["memory"] = {{"limit", request.memory_limit_bytes}};
  // Without a list every device is allowed; with "deny all" the runtime still lets in null, zero, tty and
  // their like.
  resources["devices"] = json::array{json::object{{"allow", is_privileged(request.spec)}, {"access", "rwm"}}};
  return resources;
}

json::array make_devices(const host_facts& host) {
  json::array result;
  for (auto& d : host.devices)
    result.push_back(json::object{{"path", d.path},
                                  {"type", std::string(1, d.type)},
                                  {"major", d.major},
                                  {"minor", d.minor},
                                  {"fileMode", d.mode},
                                  {"uid", 0},
                                  {"gid", 0}});
  return result;
}

} // namespace

caf::expected<std::vector<std::string>> process_args(const container_spec& spec, const image_config& image) {
  std::vector<std::string> result = spec.command.empty() ? image.entrypoint : spec.command;
  // The image's CMD are arguments of its own ENTRYPOINT only.
  auto& rest = !spec.args.empty() || !spec.command.empty() ? spec.args : image.cmd;
  result.insert(result.end(), rest.begin(), rest.end());
  if (result.empty())
    return make_error(errc::container_create, "no command specified: container " + spec.name
                                                  + " has no command or args, and neither has its image");
  return result;
}

std::vector<std::string> process_env(const container_spec& spec, const image_config& image,
                                     const std::string& hostname) {
  std::vector<std::string> result;
  std::map<std::string, size_t, std::less<>> place;
  auto put = [&](std::string entry) {
    auto name = entry.substr(0, entry.find('='));
    auto [i, fresh] = place.emplace(name, result.size());
    if (fresh)
      result.push_back(std::move(entry));
    else
      result[i->second] = std::move(entry);
  };
  put(default_path);
  if (!hostname.empty()) put("HOSTNAME=" + hostname);
  if (spec.tty) put("TERM=xterm");
  for (auto& entry : image.env)
    if (entry.find('=') != std::string::npos) put(entry);
  for (auto& variable : spec.env)
    put(variable.name + "=" + variable.value);
  return result;
}

caf::expected<std::vector<std::string>> process_capabilities(const container_spec& spec,
                                                             const host_facts& host) {
  if (is_privileged(spec)) return host.capabilities;
  std::vector<std::string> result{default_capabilities.begin(), default_capabilities.end()};
  auto& security = spec.security_context_;
  if (security && security->capabilities_) {
    auto full_name = [](std::string name) {
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::toupper(c); });
      return name.starts_with("CAP_") ? name : "CAP_" + name;
    };
    auto& change = *security->capabilities_;
    auto all = [&](auto& list) {
      return std::any_of(list.begin(), list.end(), [&](auto& n) { return full_name(n) == "CAP_ALL"; });
    };
    if (all(change.add)) result = host.capabilities;
    if (all(change.drop)) result.clear();
    for (auto& name : change.add) {
      auto full = full_name(name);
      if (full == "CAP_ALL") continue;
      if (!known_capability(full))
        return make_error(errc::container_create,
                          "unknown capability \"" + name + "\" to add in container " + spec.name);
      if (std::find(result.begin(), result.end(), full) == result.end()) result.push_back(full);
    }
    for (auto& name : change.drop)
      std::erase(result, full_name(name));
  }
  // What the daemon itself does not have, it cannot give: the runtime would refuse the whole container.
  std::erase_if(result, [&](auto& name) {
    return std::find(host.capabilities.begin(), host.capabilities.end(), name) == host.capabilities.end();
  });
  return result;
}

caf::expected<json::object> make_oci_spec(const create_container& request, const image_config& image,
                                          const resolved_user& user, const host_facts& host,
                                          const container_places& places) {
  auto process = make_process(request, image, user, host);
  if (!process) return process.error();
  bool privileged = is_privileged(request.spec);
  auto& security = request.spec.security_context_;
  json::object linux_part{{"cgroupsPath", places.cgroup},
                          {"namespaces", make_namespaces(request, host, places)},
                          {"resources", make_resources(request)}};
  // Without it the runtime first cuts its whole copy of the host's mounts off.
  auto asks_for = [&](const char* propagation) {
    return std::any_of(request.mounts.begin(), request.mounts.end(),
                       [&](auto& m) { return m.propagation == propagation; });
  };
  if (asks_for("Bidirectional"))
    linux_part["rootfsPropagation"] = "rshared";
  else if (asks_for("HostToContainer"))
    linux_part["rootfsPropagation"] = "rslave";
  if (privileged) {
    linux_part["devices"] = make_devices(host);
  } else {
    linux_part["maskedPaths"] = masked_paths();
    linux_part["readonlyPaths"] = readonly_paths();
  }
  return json::object{{"ociVersion", "1.0.2"},
                      {"process", std::move(*process)},
                      {"root",
                       {{"path", places.rootfs},
                        {"readonly", security && security->read_only_root_filesystem.value_or(false)}}},
                      {"mounts", make_mounts(request, places, privileged)},
                      {"linux", std::move(linux_part)},
                      {"annotations",
                       {{"podium.pod.name", request.pod_name},
                        {"podium.pod.namespace", request.pod_namespace},
                        {"podium.pod.uid", request.key.pod_uid},
                        {"podium.container.name", request.key.name}}}};
}

} // namespace podium
