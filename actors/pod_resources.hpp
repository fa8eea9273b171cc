// What a pod's resources mean to the machine: QoS, shares, quota, oom score; and the requests to the runtime
// port built from a spec. Pure. Source: pod-semantics §6.
#pragma once
#include "messages/lifecycle.hpp"
#include "messages/node_settings.hpp"

namespace podium {

/// `Guaranteed`, `Burstable` or `BestEffort`.
std::string qos_class_of(const pod_spec& spec);

/// oom_score_adj by QoS and the container's share of the machine's memory.
int32_t oom_score_adj_of(const std::string& qos_class, int64_t memory_request_bytes, int64_t machine_bytes);

/// The value of `resource` in millicores (cpu) or bytes (others); 0 when absent or unreadable.
int64_t amount_of(const quantity_map& resources, const std::string& resource);

/// What a pod asks of a node: millicores and bytes, by the scheduler's formula for regular and init
/// containers.
struct resource_amounts {
  int64_t cpu_millicores = 0, memory_bytes = 0;
};
resource_amounts pod_requests_of(const pod_spec& spec);

/// The probe with port names replaced by the container's numbers, and `$(VAR)` in its command by its
/// environment.
probe_spec resolve_probe_ports(probe_spec probe, const container_spec& container);

/// Whether the pod is to have the cluster's name server, and the node knows of none.
bool lacks_cluster_dns(const pod_spec& spec, const node_settings& node);
create_sandbox make_create_sandbox(const object& ref, const pod& pod, const node_settings& node);
create_container make_create_container(const object& ref, const pod& pod, const container_spec& spec,
                                       int64_t machine_memory_bytes, uint32_t attempt,
                                       const std::string& image_id);

} // namespace podium
