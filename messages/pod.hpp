// Typed views of core/v1 Pod: the fields podium acts on, decoded once per version of the document. Names and
// meanings are the API's; pointers of the API are optionals here.
#pragma once
#include "core/described.hpp"
#include "messages/meta.hpp"
#include "messages/volume.hpp"

namespace podium {

struct resource_requirements {
  quantity_map limits, requests;
};
BOOST_DESCRIBE_STRUCT(resource_requirements, (), (limits, requests))

struct exec_action {
  std::vector<std::string> command;
};
BOOST_DESCRIBE_STRUCT(exec_action, (), (command))

struct http_header {
  std::string name, value;
};
BOOST_DESCRIBE_STRUCT(http_header, (), (name, value))

struct http_get_action {
  std::string path, host, scheme;
  int_or_string port;
  std::vector<http_header> http_headers;
};
BOOST_DESCRIBE_STRUCT(http_get_action, (), (path, host, scheme, port, http_headers))

struct tcp_socket_action {
  int_or_string port;
  std::string host;
};
BOOST_DESCRIBE_STRUCT(tcp_socket_action, (), (port, host))

struct grpc_action {
  int32_t port = 0;
  std::string service;
};
BOOST_DESCRIBE_STRUCT(grpc_action, (), (port, service))

struct probe_spec {
  std::optional<exec_action> exec;
  std::optional<http_get_action> http_get;
  std::optional<tcp_socket_action> tcp_socket;
  std::optional<grpc_action> grpc;
  int32_t initial_delay_seconds = 0, timeout_seconds = 1, period_seconds = 10;
  int32_t success_threshold = 1, failure_threshold = 3;
  std::optional<int64_t> termination_grace_period_seconds;
};
BOOST_DESCRIBE_STRUCT(probe_spec, (),
                      (exec, http_get, tcp_socket, grpc, initial_delay_seconds, timeout_seconds,
                       period_seconds, success_threshold, failure_threshold,
                       termination_grace_period_seconds))

struct sleep_action {
  int64_t seconds = 0;
};
BOOST_DESCRIBE_STRUCT(sleep_action, (), (seconds))

struct lifecycle_handler {
  std::optional<exec_action> exec;
  std::optional<http_get_action> http_get;
  std::optional<sleep_action> sleep;
};
BOOST_DESCRIBE_STRUCT(lifecycle_handler, (), (exec, http_get, sleep))

struct lifecycle {
  std::optional<lifecycle_handler> post_start, pre_stop;
  std::string stop_signal; ///< "" is the image's
};
BOOST_DESCRIBE_STRUCT(lifecycle, (), (post_start, pre_stop, stop_signal))

struct env_var {
  std::string name, value;
  std::optional<env_var_source> value_from;
};
BOOST_DESCRIBE_STRUCT(env_var, (), (name, value, value_from))

struct container_port {
  std::string name, protocol, host_ip;
  int32_t container_port = 0, host_port = 0;
};
BOOST_DESCRIBE_STRUCT(container_port, (), (name, protocol, host_ip, container_port, host_port))

struct capabilities {
  std::vector<std::string> add, drop;
};
BOOST_DESCRIBE_STRUCT(capabilities, (), (add, drop))

struct sysctl {
  std::string name, value;
};
BOOST_DESCRIBE_STRUCT(sysctl, (), (name, value))

/// What system calls a container may make.
struct seccomp_profile {
  std::string type; ///< RuntimeDefault, Localhost, Unconfined
  std::string localhost_profile;
};
BOOST_DESCRIBE_STRUCT(seccomp_profile, (), (type, localhost_profile))

/// Pod and container security contexts in one: each level leaves what is not its own unset.
struct security_context {
  std::optional<capabilities> capabilities_;
  std::optional<bool> privileged, run_as_non_root, read_only_root_filesystem, allow_privilege_escalation;
  std::optional<int64_t> run_as_user, run_as_group, fs_group;
  std::vector<int64_t> supplemental_groups;
  std::string fs_group_change_policy, supplemental_groups_policy, proc_mount;
  std::vector<sysctl> sysctls;
  std::optional<seccomp_profile> seccomp_profile_;
};
BOOST_DESCRIBE_STRUCT(security_context, (),
                      (capabilities_, privileged, run_as_non_root, read_only_root_filesystem,
                       allow_privilege_escalation, run_as_user, run_as_group, fs_group, supplemental_groups,
                       fs_group_change_policy, supplemental_groups_policy, proc_mount, sysctls,
                       seccomp_profile_))

struct exit_code_match {
  std::string operator_; ///< In, NotIn
  std::vector<int32_t> values;
};
BOOST_DESCRIBE_STRUCT(exit_code_match, (), (operator_, values))

struct restart_rule {
  std::string action; ///< Restart, RestartAllContainers
  std::optional<exit_code_match> exit_codes;
};
BOOST_DESCRIBE_STRUCT(restart_rule, (), (action, exit_codes))

/// A container of any of a pod's three lists; each leaves what is not its own unset.
struct container_spec {
  std::string name, image, working_dir, image_pull_policy, termination_message_path,
      termination_message_policy;
  std::vector<std::string> command, args;
  std::vector<container_port> ports;
  std::vector<env_var> env;
  std::vector<env_from_source> env_from;
  std::vector<volume_mount> volume_mounts;
  resource_requirements resources;
  std::optional<probe_spec> liveness_probe, readiness_probe, startup_probe;
  std::optional<lifecycle> lifecycle_;
  std::optional<security_context> security_context_;
  std::optional<std::string> restart_policy;
  std::vector<restart_rule> restart_policy_rules;
  std::string target_container_name; ///< of ephemeral containers: whose processes they see
  bool stdin_ = false, stdin_once = false, tty = false;
};
BOOST_DESCRIBE_STRUCT(container_spec, (),
                      (name, image, working_dir, image_pull_policy, termination_message_path,
                       termination_message_policy, command, args, ports, env, env_from, volume_mounts,
                       resources, liveness_probe, readiness_probe, startup_probe, lifecycle_,
                       security_context_, restart_policy, restart_policy_rules, target_container_name, stdin_,
                       stdin_once, tty))

struct toleration {
  std::string key, operator_, value, effect;
  std::optional<int64_t> toleration_seconds;
};
BOOST_DESCRIBE_STRUCT(toleration, (), (key, operator_, value, effect, toleration_seconds))

struct host_alias {
  std::string ip;
  std::vector<std::string> hostnames;
};
BOOST_DESCRIBE_STRUCT(host_alias, (), (ip, hostnames))

struct dns_option {
  std::string name;
  std::optional<std::string> value;
};
BOOST_DESCRIBE_STRUCT(dns_option, (), (name, value))

struct dns_config {
  std::vector<std::string> nameservers, searches;
  std::vector<dns_option> options;
};
BOOST_DESCRIBE_STRUCT(dns_config, (), (nameservers, searches, options))

struct named_reference {
  std::string name;
};
BOOST_DESCRIBE_STRUCT(named_reference, (), (name))

struct readiness_gate {
  std::string condition_type;
};
BOOST_DESCRIBE_STRUCT(readiness_gate, (), (condition_type))

struct pod_spec {
  std::vector<container_spec> init_containers, containers, ephemeral_containers;
  std::vector<volume> volumes;
  std::vector<host_alias> host_aliases;
  std::optional<dns_config> dns_config_;
  std::vector<named_reference> image_pull_secrets;
  std::vector<readiness_gate> readiness_gates;
  std::string service_account_name;
  std::string restart_policy, node_name, hostname, subdomain, dns_policy, scheduler_name, priority_class_name;
  std::map<std::string, std::string> node_selector;
  std::vector<toleration> tolerations;
  std::optional<int64_t> termination_grace_period_seconds, active_deadline_seconds;
  std::optional<security_context> security_context_;
  std::optional<bool> share_process_namespace, set_hostname_as_fqdn, automount_service_account_token;
  quantity_map overhead;
  int32_t priority = 0;
  bool host_network = false, host_pid = false, host_ipc = false;
};
BOOST_DESCRIBE_STRUCT(pod_spec, (),
                      (init_containers, containers, ephemeral_containers, volumes, host_aliases, dns_config_,
                       image_pull_secrets, readiness_gates, service_account_name, restart_policy, node_name,
                       hostname, subdomain, dns_policy, scheduler_name, priority_class_name, node_selector,
                       tolerations, termination_grace_period_seconds, active_deadline_seconds,
                       security_context_, share_process_namespace, set_hostname_as_fqdn,
                       automount_service_account_token, overhead, priority, host_network, host_pid, host_ipc))

struct container_state_waiting {
  std::string reason, message;
};
BOOST_DESCRIBE_STRUCT(container_state_waiting, (), (reason, message))

struct container_state_running {
  std::optional<wall_time> started_at;
};
BOOST_DESCRIBE_STRUCT(container_state_running, (), (started_at))

struct container_state_terminated {
  int32_t exit_code = 0;
  std::optional<int32_t> signal;
  std::string reason, message;
  std::optional<wall_time> started_at, finished_at;
  std::string container_id;
};
BOOST_DESCRIBE_STRUCT(container_state_terminated, (),
                      (exit_code, signal, reason, message, started_at, finished_at, container_id))

/// At most one member is set; none is waiting without a reason.
struct container_state {
  std::optional<container_state_waiting> waiting;
  std::optional<container_state_running> running;
  std::optional<container_state_terminated> terminated;
};
BOOST_DESCRIBE_STRUCT(container_state, (), (waiting, running, terminated))

struct container_status {
  required_string name;
  container_state state, last_state;
  bool ready = false;
  int32_t restart_count = 0;
  required_string image, image_id;
  std::string container_id;
  std::optional<bool> started;
};
BOOST_DESCRIBE_STRUCT(container_status, (),
                      (name, state, last_state, ready, restart_count, image, image_id, container_id, started))

struct condition {
  std::string type, status;
  std::optional<wall_time> last_probe_time, last_heartbeat_time, last_transition_time;
  std::string reason, message;
};
BOOST_DESCRIBE_STRUCT(condition, (),
                      (type, status, last_probe_time, last_heartbeat_time, last_transition_time, reason,
                       message))

struct ip_entry {
  std::string ip;
};
BOOST_DESCRIBE_STRUCT(ip_entry, (), (ip))

struct pod_status {
  std::string phase;
  std::vector<condition> conditions;
  std::string message, reason, nominated_node_name, host_ip, pod_ip;
  std::vector<ip_entry> host_ips, pod_ips;
  std::optional<wall_time> start_time;
  std::vector<container_status> init_container_statuses, container_statuses, ephemeral_container_statuses;
  std::string qos_class;
};
BOOST_DESCRIBE_STRUCT(pod_status, (),
                      (phase, conditions, message, reason, nominated_node_name, host_ip, pod_ip, host_ips,
                       pod_ips, start_time, init_container_statuses, container_statuses,
                       ephemeral_container_statuses, qos_class))

struct pod {
  object_meta metadata;
  pod_spec spec;
  pod_status status;
};
BOOST_DESCRIBE_STRUCT(pod, (), (metadata, spec, status))

} // namespace podium
