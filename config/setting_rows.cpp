#include "config/setting_rows.hpp"

#include "config/field_formats.hpp"
#include "core/sysctls.hpp"

#include <charconv>

namespace podium::config {
namespace {

#define PODIUM_TEXT(member)                                                                                  \
  text_of {                                                                                                  \
    [](settings& s) -> std::string& { return s.member; }                                                     \
  }
#define PODIUM_INTEGER(member)                                                                               \
  integer_of {                                                                                               \
    [](settings& s) -> int64_t& { return s.member; }                                                         \
  }
#define PODIUM_NUMBER(member)                                                                                \
  number_of {                                                                                                \
    [](settings& s) -> double& { return s.member; }                                                          \
  }
#define PODIUM_DURATION(member)                                                                              \
  duration_of {                                                                                              \
    [](settings& s) -> nanoseconds& { return s.member; }                                                     \
  }

std::string first_of(format_problems problems) {
  return problems.empty() ? std::string{} : problems.front();
}

std::string check_listen(const settings& s) {
  auto colon = s.api.listen.rfind(':');
  auto host = s.api.listen.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  int port = -1;
  if (colon != std::string::npos) {
    auto begin = s.api.listen.data() + colon + 1;
    auto end = s.api.listen.data() + s.api.listen.size();
    if (auto [p, ec] = std::from_chars(begin, end, port); ec != std::errc{} || p != end) port = -1;
  }
  if (port < 0 || port > 65535 || !check_ip(host).empty())
    return "must be address:port, such as 127.0.0.1:6443";
  return {};
}

std::string check_bridge(const settings& s) {
  const auto& name = s.network.bridge;
  bool ok = !name.empty() && name.size() <= 15 && name.find_first_of("/ :\t") == std::string::npos
            && name != "." && name != "..";
  return ok ? std::string{} : "must be an interface name of at most 15 characters";
}

std::string check_cluster_dns(const settings& s) {
  for (auto& address : entries_in(s.network.cluster_dns))
    if (!check_ip(address).empty()) return "must be IP addresses, separated by commas";
  return {};
}

/// Source: the kubelet's check of allowedUnsafeSysctls.
std::string check_sysctls(const settings& s) {
  for (auto& entry : entries_in(s.allowed_unsafe_sysctls)) {
    auto name = normal_sysctl_name(entry);
    if (auto star = name.find('*'); star != std::string::npos && star + 1 != name.size())
      return "has " + entry + ": a * may stand at the end only";
    if (namespace_of_sysctl_pattern(name) == sysctl_namespace::none)
      return "has " + entry + ", which is not known to be a parameter of one pod's namespaces";
  }
  return {};
}

std::string check_percent(int64_t value) {
  return value <= 100 ? std::string{} : "must be at most 100";
}

std::string check_low_threshold(const settings& s) {
  if (s.image_gc.low_threshold_percent < s.image_gc.high_threshold_percent) return {};
  return "must be less than imageGC.highThresholdPercent";
}

constexpr int64_t second = 1'000'000'000;

auto& labels_in(settings& s) {
  return s.node_labels;
}
auto& rules_in(settings& s) {
  return s.access.rules;
}
auto& mirrors_in(settings& s) {
  return s.registry_mirrors;
}

const setting_row rows[] = {
    {"dataDir",
     PODIUM_TEXT(data_dir),
     "Where objects, images and container file systems are kept.",
     0,
     unit::none,
     {},
     [](const settings& s) {
       return std::string{s.data_dir.starts_with('/') ? "" : "must be an absolute path"};
     }},
    {"runDir",
     PODIUM_TEXT(run_dir),
     "Where sockets, the pods' namespaces and the state of running containers are kept; gone after a reboot.",
     0,
     unit::none,
     {},
     [](const settings& s) {
       return std::string{s.run_dir.starts_with('/') ? "" : "must be an absolute path"};
     }},
    {"nodeName",
     PODIUM_TEXT(node_name),
     "The node's name; the machine's host name if empty.",
     0,
     unit::none,
     {},
     [](const settings& s) {
       return s.node_name.empty() ? std::string{} : first_of(check_dns_subdomain(s.node_name));
     }},
    {"nodeLabels", labels_of{labels_in},
     "Labels of the node, for nodeSelector, besides the well-known ones."},
    {"maxPods", PODIUM_INTEGER(max_pods), "How many pods the node takes.", 1},
    {"allowedUnsafeSysctls",
     PODIUM_TEXT(allowed_unsafe_sysctls),
     "Kernel parameters that pods may set beside the safe ones, separated by commas: names, or beginnings "
     "such "
     "as net.core.*",
     0,
     unit::none,
     {},
     check_sysctls},
    {"runtime", PODIUM_TEXT(runtime), "The OCI runtime: auto takes crun where it works, else runc.", 0,
     unit::none, "auto crun runc"},
    {"logLevel", PODIUM_TEXT(log_level), "What the daemon logs.", 0, unit::none,
     "trace debug info warn error"},
    {"api.listen",
     PODIUM_TEXT(api.listen),
     "Address and port of the API server.",
     0,
     unit::none,
     {},
     check_listen},
    {"api.maxConnections", PODIUM_INTEGER(api.max_connections),
     "Connections open at once; more are refused. At most half of the files the daemon may open.", 1},
    {"api.maxWatches", PODIUM_INTEGER(api.max_watches), "Watches open at once; more are answered 429.", 1},
    {"api.maxHeaderBytes", PODIUM_INTEGER(api.max_header_bytes), "Bytes of a request's header.", 1024,
     unit::bytes},
    {"api.maxBodyBytes", PODIUM_INTEGER(api.max_body_bytes), "Bytes of a request's body.", 1024, unit::bytes},
    {"api.headerTimeout", PODIUM_DURATION(api.header_timeout),
     "How long a TLS handshake, and then a request's header, may take.", second},
    {"api.bodyTimeout", PODIUM_DURATION(api.body_timeout), "How long a request's body may take.", second},
    {"api.idleTimeout", PODIUM_DURATION(api.idle_timeout), "How long an idle connection is kept.", second},
    {"api.watchTimeout", PODIUM_DURATION(api.watch_timeout), "How long a watch lives that names no timeout.",
     second},
    {"access.tokenFile",
     PODIUM_TEXT(access.token_file),
     "Bearer tokens, one a line: token,user,uid,\"group1,group2\"; mode 0600, read again when it changes.",
     0,
     unit::none,
     {},
     [](const settings& s) {
       bool ok = s.access.token_file.empty() || s.access.token_file.starts_with('/');
       return std::string{ok ? "" : "must be an absolute path"};
     }},
    {"access.rules", rules_of{rules_in},
     "What users and groups may do besides system:masters, who may do all: {users, groups, verbs, apiGroups, "
     "resources, resourceNames, namespaces, nonResourceURLs}, as in RBAC."},
    {"network.podCIDR",
     PODIUM_TEXT(network.pod_cidr),
     "The range of pod addresses.",
     0,
     unit::none,
     {},
     [](const settings& s) { return first_of(check_cidr(s.network.pod_cidr)); }},
    {"network.bridge",
     PODIUM_TEXT(network.bridge),
     "The bridge that pods are connected to; made if missing.",
     0,
     unit::none,
     {},
     check_bridge},
    {"network.clusterDNS",
     PODIUM_TEXT(network.cluster_dns),
     "Name servers of pods with dnsPolicy ClusterFirst, separated by commas; without any they use the "
     "node's.",
     0,
     unit::none,
     {},
     check_cluster_dns},
    {"network.clusterDomain",
     PODIUM_TEXT(network.cluster_domain),
     "The domain below which pods have full names.",
     0,
     unit::none,
     {},
     [](const settings& s) { return first_of(check_dns_subdomain(s.network.cluster_domain)); }},
    {"network.mtu", PODIUM_INTEGER(network.mtu), "MTU of pod interfaces; 0 takes that of the default route."},
    {"registryMirrors", mirrors_of{mirrors_in},
     "By registry host, a list of places tried before the registry itself: {layout: directory of an OCI "
     "layout} or {registry: host, insecure: true|false}."},
    {"images.parallelPulls", PODIUM_INTEGER(images.parallel_pulls),
     "Images pulled at the same time from one registry.", 1},
    {"images.pullTimeout", PODIUM_DURATION(images.pull_timeout), "How long one pull may take.", second},
    {"images.progressAfter", PODIUM_DURATION(images.progress_after),
     "When an event first tells how far a pull is; then at twice, four times ... as long.", second / 100},
    {"imageGC.highThresholdPercent",
     PODIUM_INTEGER(image_gc.high_threshold_percent),
     "How full the images' disk may be before images that nothing uses are removed; 100 removes none.",
     0,
     unit::none,
     {},
     [](const settings& s) { return check_percent(s.image_gc.high_threshold_percent); }},
    {"imageGC.lowThresholdPercent",
     PODIUM_INTEGER(image_gc.low_threshold_percent),
     "How full the disk may still be after such a removal.",
     0,
     unit::none,
     {},
     check_low_threshold},
    {"imageGC.minAge", PODIUM_DURATION(image_gc.min_age),
     "How long an image is kept at least, since it came and since it was asked for."},
    {"imageGC.period", PODIUM_DURATION(image_gc.period), "How often the disk is looked at.", second},
    {"crashLoopBackOff.first", PODIUM_DURATION(crash_loop_back_off.first),
     "The wait before the second restart of a container (the first is immediate)."},
    {"crashLoopBackOff.factor", PODIUM_NUMBER(crash_loop_back_off.factor),
     "What each further wait is multiplied by.", 1},
    {"crashLoopBackOff.max", PODIUM_DURATION(crash_loop_back_off.max), "The longest wait."},
    {"crashLoopBackOff.reset", PODIUM_DURATION(crash_loop_back_off.reset),
     "A container that ran this long starts over with the first wait."},
    {"imagePullBackOff.first", PODIUM_DURATION(image_pull_back_off.first),
     "The wait after the first failed pull."},
    {"imagePullBackOff.factor", PODIUM_NUMBER(image_pull_back_off.factor),
     "What each further wait is multiplied by.", 1},
    {"imagePullBackOff.max", PODIUM_DURATION(image_pull_back_off.max), "The longest wait."},
    {"imagePullBackOff.reset", PODIUM_DURATION(image_pull_back_off.reset),
     "An image not asked for this long starts over with the first wait."},
    {"grace.minimum", PODIUM_DURATION(grace.minimum), "The least time between the stop signal and SIGKILL."},
    {"logs.maxBytes", PODIUM_INTEGER(logs.max_bytes), "Bytes of a container's log file before it is rotated.",
     4096, unit::bytes},
    {"logs.maxFiles", PODIUM_INTEGER(logs.max_files), "Log files kept of a container.", 1},
    {"store.kind", PODIUM_TEXT(store.kind),
     "Where objects are stored; memory forgets them when the daemon ends.", 0, unit::none, "sqlite memory"},
    {"store.watchHistory", PODIUM_INTEGER(store.watch_history), "Changes kept for watchers, per resource.",
     1},
    {"events.ttl", PODIUM_DURATION(events.ttl), "How long events are kept.", second},
    {"events.maxCount", PODIUM_INTEGER(events.max_count), "Events kept at once; the oldest go first.", 1},
};

#undef PODIUM_TEXT
#undef PODIUM_INTEGER
#undef PODIUM_NUMBER
#undef PODIUM_DURATION

} // namespace

std::span<const setting_row> setting_rows() {
  return rows;
}

} // namespace podium::config
