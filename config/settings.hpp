// The daemon's settings: one struct of defaults, one table with names and explanations, one strict YAML
// reader.
#pragma once
#include "config/document.hpp"

#include <caf/expected.hpp>
#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace podium::config {

using std::chrono::nanoseconds;

/// Another place to pull from, tried in order before the registry itself: a local OCI layout or a registry.
struct registry_mirror {
  std::string layout;    ///< directory of an OCI image layout; its images are named by full reference
  std::string registry;  ///< host[:port][/prefix]
  bool insecure = false; ///< plain HTTP or a certificate that is not checked
  bool operator==(const registry_mirror&) const = default;
};

/// Delays between attempts: first, then × factor each time, at most max; forgotten after reset without
/// failure.
struct back_off_settings {
  nanoseconds first = std::chrono::seconds{10};
  double factor = 2.0;
  nanoseconds max = std::chrono::minutes{5};
  nanoseconds reset = std::chrono::minutes{10};
};

/// Bounds of the API server. All counts are of the whole daemon.
struct api_settings {
  std::string listen = "127.0.0.1:6443";
  int64_t max_connections = 10'000;
  int64_t max_watches = 10'000;
  int64_t max_header_bytes = 64 * 1024;
  int64_t max_body_bytes = 3 * 1024 * 1024;
  nanoseconds header_timeout = std::chrono::seconds{10};
  nanoseconds body_timeout = std::chrono::minutes{1};
  nanoseconds idle_timeout = std::chrono::minutes{2};
  nanoseconds watch_timeout = std::chrono::minutes{30};
};

struct network_settings {
  std::string pod_cidr = "10.85.0.0/16";
  std::string bridge = "podium0";
  std::string cluster_dns; ///< addresses, separated by commas
  std::string cluster_domain = "cluster.local";
  int64_t mtu = 0; ///< 0: that of the default route
};

struct log_settings {
  int64_t max_bytes = 10 * 1024 * 1024; ///< of one container's log file before it is rotated
  int64_t max_files = 5;
};

struct image_settings {
  int64_t parallel_pulls = 3;
  nanoseconds pull_timeout = std::chrono::minutes{15};
  nanoseconds progress_after = std::chrono::seconds{10}; ///< the first event about it, then at twice the time
};

/// Removal of images that nothing uses.
struct image_gc_settings {
  int64_t high_threshold_percent = 85, low_threshold_percent = 80;
  nanoseconds min_age = std::chrono::minutes{2};
  nanoseconds period = std::chrono::minutes{5};
};

struct grace_settings {
  nanoseconds minimum = std::chrono::seconds{2};
};

struct store_settings {
  std::string kind = "sqlite";    ///< or "memory"
  int64_t watch_history = 10'000; ///< changes kept for watchers, per resource
};

struct event_settings {
  nanoseconds ttl = std::chrono::hours{1};
  int64_t max_count = 20'000;
};

/// What some may do, in the manner of Kubernetes' RBAC: "*" stands for all, a resource may be "pods",
/// "pods/log", "*/status", and a path may end in "*". Requests are about resources or about paths.
struct access_rule {
  std::vector<std::string> users, groups; ///< for whom: one of either suffices
  std::vector<std::string> verbs;
  std::vector<std::string> api_groups, resources; ///< "" is the core group
  std::vector<std::string> resource_names;        ///< none: whatever the name
  std::vector<std::string> namespaces;            ///< none: everywhere, and what lives in no namespace
  std::vector<std::string> non_resource_urls;     ///< "/metrics", "/healthz/*"
  bool operator==(const access_rule&) const = default;
};

/// Who is known beside the owners of certificates, and who may do what beside system:masters.
struct access_settings {
  std::string token_file; ///< empty: no bearer tokens
  std::vector<access_rule> rules;
};

/// Everything that can be set. A default-made one is what the daemon runs with when no file is given.
struct settings {
  std::string data_dir = "/var/lib/podium";
  std::string run_dir = "/run/podium";
  std::string node_name; ///< empty: the machine's host name
  std::map<std::string, std::string> node_labels;
  int64_t max_pods = 110;
  std::string allowed_unsafe_sysctls; ///< names, or beginnings with a * behind, separated by commas
  std::string runtime = "auto";       ///< or "crun", "runc"
  std::string log_level = "info";
  api_settings api;
  access_settings access;
  network_settings network;
  std::map<std::string, std::vector<registry_mirror>> registry_mirrors; ///< by registry host
  image_settings images;
  image_gc_settings image_gc;
  back_off_settings crash_loop_back_off;
  back_off_settings image_pull_back_off;
  grace_settings grace;
  log_settings logs;
  store_settings store;
  event_settings events;
};

/// What the documentation says of one setting.
struct setting_info {
  std::string_view path;     ///< "crashLoopBackOff.first"
  std::string type;          ///< "duration", "text", "integer", …
  std::string default_value; ///< as it would stand in the file
  std::string_view doc;
};

/// The entries of a list that is written with commas, such as network.clusterDNS.
std::vector<std::string> entries_in(std::string_view text);

/// All settings, in the order of the documentation.
std::vector<setting_info> all_settings();

/// Reads settings over the defaults. Errors (errc::bad_request), all of them, as "file:line:column: …", one a
/// line.
caf::expected<settings> parse_settings(std::string_view yaml, const std::string& source = {});

/// Checks settings that did not come, or not only, from a file: the same rules as parse_settings. Error
/// errc::bad_request: all that is wrong, one a line, each with the setting's path.
caf::error check_settings(const settings& given);

/// Reads a settings file.
caf::expected<settings> read_settings(const std::string& path);

/// A commented YAML file with every setting at its default: what `podium settings` prints.
std::string settings_reference();

} // namespace podium::config
