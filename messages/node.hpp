// Typed views of core/v1 Node and coordination/v1 Lease.
#pragma once
#include "messages/pod.hpp"

namespace podium {

struct taint {
  std::string key, value, effect;
  std::optional<wall_time> time_added;
};
BOOST_DESCRIBE_STRUCT(taint, (), (key, value, effect, time_added))

struct node_spec {
  std::string pod_cidr;
  std::vector<std::string> pod_cidrs;
  std::string provider_id;
  bool unschedulable = false;
  std::vector<taint> taints;
};
BOOST_DESCRIBE_STRUCT(node_spec, (), (pod_cidr, pod_cidrs, provider_id, unschedulable, taints))

struct node_address {
  std::string type, address;
};
BOOST_DESCRIBE_STRUCT(node_address, (), (type, address))

struct node_system_info {
  required_string machine_id, system_uuid, boot_id, kernel_version, os_image, container_runtime_version,
      kubelet_version, kube_proxy_version, operating_system, architecture;
};
BOOST_DESCRIBE_STRUCT(node_system_info, (),
                      (machine_id, system_uuid, boot_id, kernel_version, os_image, container_runtime_version,
                       kubelet_version, kube_proxy_version, operating_system, architecture))

struct container_image {
  std::vector<std::string> names;
  int64_t size_bytes = 0;
};
BOOST_DESCRIBE_STRUCT(container_image, (), (names, size_bytes))

struct node_status {
  quantity_map capacity, allocatable;
  std::vector<condition> conditions;
  std::vector<node_address> addresses;
  node_system_info node_info;
  std::vector<container_image> images;
};
BOOST_DESCRIBE_STRUCT(node_status, (), (capacity, allocatable, conditions, addresses, node_info, images))

struct node {
  object_meta metadata;
  node_spec spec;
  node_status status;
};
BOOST_DESCRIBE_STRUCT(node, (), (metadata, spec, status))

/// What the runtime knows of the machine: what the node actor publishes of itself.
struct machine_facts {
  quantity_map capacity, allocatable;
  std::vector<node_address> addresses;
  node_system_info info;
};
BOOST_DESCRIBE_STRUCT(machine_facts, (), (capacity, allocatable, addresses, info))

} // namespace podium
