// What actors ask of the outside world: sandboxes, containers, images, probes, the node's own records.
#pragma once
#include "core/described.hpp"
#include "messages/node.hpp"
#include "messages/pod.hpp"

namespace podium {

/// Names one instance of a container: attempt 0 is the first start, and equals the restart count.
struct container_key {
  std::string pod_uid, name;
  uint32_t attempt = 0;
  auto operator<=>(const container_key&) const = default;
};
BOOST_DESCRIBE_STRUCT(container_key, (), (pod_uid, name, attempt))

struct port_mapping {
  std::string protocol, host_ip; ///< TCP or UDP; "" is every address
  int32_t host_port = 0, container_port = 0;
};
BOOST_DESCRIBE_STRUCT(port_mapping, (), (protocol, host_ip, host_port, container_port))

/// What a pod's /etc/resolv.conf says, beside or in place of the node's own.
struct dns_settings {
  bool of_node = true; ///< begins with what the node's file says
  std::vector<std::string> nameservers, searches, options;
};
BOOST_DESCRIBE_STRUCT(dns_settings, (), (of_node, nameservers, searches, options))

/// Makes a pod's sandbox: its directory, namespaces, network and cgroup. Idempotent per pod uid.
struct create_sandbox {
  std::string pod_uid, pod_name, pod_namespace, hostname;
  bool host_network = false, host_pid = false, host_ipc = false, share_process_namespace = false;
  std::vector<port_mapping> ports;
  std::string
      domain; ///< "" or what follows the host name in its full name: subdomain.namespace.svc.cluster.local
  bool set_hostname_as_fqdn = false;
  std::vector<host_alias> host_aliases;
  dns_settings dns;
  std::vector<sysctl> sysctls;
  int64_t cpu_shares = 2, cpu_quota_us = 0, memory_limit_bytes = 0; ///< of the pod's cgroup; 0 is no limit
};
BOOST_DESCRIBE_STRUCT(create_sandbox, (),
                      (pod_uid, pod_name, pod_namespace, hostname, host_network, host_pid, host_ipc,
                       share_process_namespace, ports, domain, set_hostname_as_fqdn, host_aliases, dns,
                       sysctls, cpu_shares, cpu_quota_us, memory_limit_bytes))

struct sandbox_info {
  std::string id, ip; ///< ip "" on the host's network: the node's address is the pod's
  wall_time created_at;
  std::string lost; ///< not "": why it is of no use any more; it must be removed and made anew
};
BOOST_DESCRIBE_STRUCT(sandbox_info, (), (id, ip, created_at, lost))

/// Waits until a sandbox is lost: the first process of the namespace that its containers share has ended.
/// May be asked again at any time. Error not_found: it is being removed, or another has taken its place.
struct wait_sandbox {
  std::string pod_uid, id;
};
BOOST_DESCRIBE_STRUCT(wait_sandbox, (), (pod_uid, id))

struct sandbox_end {
  std::string id, why;
};
BOOST_DESCRIBE_STRUCT(sandbox_end, (), (id, why))

/// Kills what is left of a pod and takes its namespaces, network, mounts and cgroups down. `keep_records`:
/// the records and logs of its ended containers stay (a pod that has finished still shows its logs).
/// Idempotent; an unknown pod is done.
struct remove_sandbox {
  std::string pod_uid;
  bool keep_records = false;
};
BOOST_DESCRIBE_STRUCT(remove_sandbox, (), (pod_uid, keep_records))

/// One mount into a container's file system.
struct container_mount {
  std::string source, destination; ///< on the node; in the container
  std::string sub_path; ///< below source, resolved so that no link leads out of it; made when absent
  bool read_only = false;
  bool recursive_read_only = false; ///< what is mounted below it is read only too
  std::string propagation;          ///< "" or None, HostToContainer, Bidirectional
};
BOOST_DESCRIBE_STRUCT(container_mount, (),
                      (source, destination, sub_path, read_only, recursive_read_only, propagation))

/// Everything the runtime needs to make one instance of a container. Environment values are already expanded.
struct create_container {
  container_key key;
  std::string pod_name, pod_namespace, hostname;
  std::string image, image_id;
  container_spec spec;
  std::vector<container_mount> mounts;
  std::optional<security_context> pod_security;
  bool host_network = false, host_pid = false, host_ipc = false, share_process_namespace = false;
  int64_t cpu_shares = 2, cpu_quota_us = 0, memory_limit_bytes = 0;
  int32_t oom_score_adj = 0;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, create_container& x) {
  return f(caf::meta::type_name("create_container"), x.key, x.image_id);
}

struct container_created {
  std::string container_id; ///< podium://<64 hex digits>, as the API shows it
};
BOOST_DESCRIBE_STRUCT(container_created, (), (container_id))

/// Starts a created container. Idempotent: one that runs answers again. Error container_start: it did not.
struct start_container {
  container_key key;
};
BOOST_DESCRIBE_STRUCT(start_container, (), (key))

struct container_started {
  wall_time started_at;
};
BOOST_DESCRIBE_STRUCT(container_started, (), (started_at))

/// Waits for the end of a started container; answered at once when it has ended. May be asked again at any
/// time.
struct wait_container {
  container_key key;
};
BOOST_DESCRIBE_STRUCT(wait_container, (), (key))

struct container_exit {
  container_key key;
  int32_t exit_code = 0;
  std::string reason;  ///< Completed, Error, OOMKilled, ContainerStatusUnknown, StartError
  std::string message; ///< the termination message by the container's policy, at most 4096 bytes
  wall_time started_at, finished_at;
};
BOOST_DESCRIBE_STRUCT(container_exit, (), (key, exit_code, reason, message, started_at, finished_at))

/// Sends a signal to a container's main process: a number, or 0 for the image's STOPSIGNAL (SIGTERM by
/// default). One that is gone is done.
struct signal_container {
  container_key key;
  int32_t signal = 0;
};
BOOST_DESCRIBE_STRUCT(signal_container, (), (key, signal))

/// Removes an ended container's leftovers; its log and record stay while it is the newest or the one before
/// (`keep_log`).
struct remove_container {
  container_key key;
  bool keep_log = true;
};
BOOST_DESCRIBE_STRUCT(remove_container, (), (key, keep_log))

/// Runs a command in a running container: probes and hooks. `timeout` 0 is none; at the time-out the whole
/// tree is killed. `once` not "" names the run: asked again it is joined, or its result is told again, for as
/// long as the instance runs.
struct exec_sync {
  container_key key;
  std::vector<std::string> command;
  nanoseconds timeout{0};
  std::string once;
};
BOOST_DESCRIBE_STRUCT(exec_sync, (), (key, command, timeout, once))

struct exec_result {
  int32_t exit_code = 0;
  bool timed_out = false;
  std::string output; ///< stdout and stderr, at most 10 KiB
};
BOOST_DESCRIBE_STRUCT(exec_result, (), (exit_code, timed_out, output))

enum class container_phase : uint8_t { created, running, exited };
BOOST_DESCRIBE_ENUM(container_phase, created, running, exited)

/// What the runtime still holds of one instance, for who comes back after a restart.
struct container_record {
  container_key key;
  std::string container_id, image, image_id;
  container_phase phase = container_phase::created;
  wall_time created_at, started_at;
  container_exit exit; ///< when phase is exited
};
BOOST_DESCRIBE_STRUCT(container_record, (),
                      (key, container_id, image, image_id, phase, created_at, started_at, exit))

struct sandbox_record {
  std::string pod_uid, pod_name, pod_namespace;
  sandbox_info info;
};
BOOST_DESCRIBE_STRUCT(sandbox_record, (), (pod_uid, pod_name, pod_namespace, info))

/// Asks for all sandboxes and containers (pod_uid "" is all pods).
struct list_runtime {
  std::string pod_uid;
};
BOOST_DESCRIBE_STRUCT(list_runtime, (), (pod_uid))

struct runtime_records {
  std::vector<sandbox_record> sandboxes;
  std::vector<container_record> containers;
};
BOOST_DESCRIBE_STRUCT(runtime_records, (), (sandboxes, containers))

/// Asks for an image that is on this node. Error not_found: it is not; image_name: no such reference can be;
/// image_inspect.
struct inspect_image {
  std::string image;
};
BOOST_DESCRIBE_STRUCT(inspect_image, (), (image))

/// Who to be at a registry. Source: an entry of a Docker config's `auths`.
struct registry_login {
  std::string registry; ///< host[:port][/path]; "" is any
  std::string username, password, identity_token;
};
/// Secrets stay out of traces.
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, registry_login& x) {
  return f(caf::meta::type_name("registry_login"), x.registry, x.username);
}

/// Fetches and unpacks an image. The logins that fit its name are tried in turn; without one that fits, who
/// the node itself is at that registry. Errors: image_pull, image_name, no_space.
struct pull_image {
  std::string image;
  std::vector<registry_login> logins;
};
BOOST_DESCRIBE_STRUCT(pull_image, (), (image, logins))

/// Asks how far the pull of an image is. Error not_found: none is under way.
struct get_pull_progress {
  std::string image;
};
BOOST_DESCRIBE_STRUCT(get_pull_progress, (), (image))
struct pull_progress {
  int64_t fetched_bytes = 0; ///< by the try that is under way; 0 while it waits for its turn
  bool unpacking = false;    ///< all is fetched
};
BOOST_DESCRIBE_STRUCT(pull_progress, (), (fetched_bytes, unpacking))

/// Removes an image and the layers that no other has. Error conflict: a container uses it. One that is not
/// there is removed.
struct remove_image {
  std::string id;
};
BOOST_DESCRIBE_STRUCT(remove_image, (), (id))

/// Asks how full the disk is that images lie on.
struct get_image_disk {};
BOOST_DESCRIBE_STRUCT(get_image_disk, (), ())
struct image_disk {
  int64_t capacity_bytes = 0, available_bytes = 0;
};
BOOST_DESCRIBE_STRUCT(image_disk, (), (capacity_bytes, available_bytes))

struct image_info {
  std::string id;          ///< sha256:… of the image's configuration
  std::string repo_digest; ///< docker.io/library/busybox@sha256:…, what status.imageID shows
  std::vector<std::string> names;
  int64_t size_bytes = 0;
  wall_time asked_at; ///< when it was last inspected or pulled; 1970: not since the service began
};
BOOST_DESCRIBE_STRUCT(image_info, (), (id, repo_digest, names, size_bytes, asked_at))

struct list_images {};
BOOST_DESCRIBE_STRUCT(list_images, (), ())
struct image_list {
  std::vector<image_info> images;
};
BOOST_DESCRIBE_STRUCT(image_list, (), (images))

enum class probe_kind : uint8_t { liveness, readiness, startup };
BOOST_DESCRIBE_ENUM(probe_kind, liveness, readiness, startup)

/// Runs one probe once. Ports are already numbers.
struct run_probe {
  container_key key;
  std::string pod_ip;
  probe_spec probe;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, run_probe& x) {
  return f(caf::meta::type_name("run_probe"), x.key, x.pod_ip);
}

/// error: the probe could not be run, the result is thrown away.
enum class probe_verdict : uint8_t { success, warning, failure, error };
BOOST_DESCRIBE_ENUM(probe_verdict, success, warning, failure, error)

struct probe_outcome {
  probe_verdict verdict = probe_verdict::error;
  std::string output;
  bool answered = false; ///< an HTTP server has answered, whatever it said: enough for a hook
};
BOOST_DESCRIBE_STRUCT(probe_outcome, (), (verdict, output, answered))

struct get_machine_facts {};
BOOST_DESCRIBE_STRUCT(get_machine_facts, (), ())

// -- the store
// --------------------------------------------------------------------------------------------------------

/// One row: `value` "" removes the key.
struct store_put {
  std::string key, value;
  uint64_t revision = 0;
};
BOOST_DESCRIBE_STRUCT(store_put, (), (key, value, revision))

/// Writes rows in one transaction, durably. Rows of several requests may share one commit. Errors: no_space,
/// io.
struct store_commit {
  std::vector<store_put> rows;
  bool may_wait =
      false; ///< for company: it is written with the next commit, or alone after a few milliseconds
};
BOOST_DESCRIBE_STRUCT(store_commit, (), (rows, may_wait))

/// Asks for every row whose key begins with `prefix`.
struct store_range {
  std::string prefix;
};
BOOST_DESCRIBE_STRUCT(store_range, (), (prefix))

struct store_rows {
  std::vector<store_put> rows;
  uint64_t revision = 0; ///< the highest that was ever committed
};
BOOST_DESCRIBE_STRUCT(store_rows, (), (rows, revision))

} // namespace podium
