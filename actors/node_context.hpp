// What a node's actors share: the ports they speak to and the settings they obey.
#pragma once
#include "actors/container_kinds.hpp"
#include "core/actor_env.hpp"
#include "messages/interfaces.hpp"
#include "messages/node_settings.hpp"

namespace podium {

struct node_context {
  env_ptr env;
  node_settings settings;
  container_runtime_actor runtime;
  image_service_actor images;
  probe_executor_actor prober;
  volume_manager_actor volumes;
  token_issuer_actor tokens;
  event_recorder_actor recorder;
  registry_actor registry;
  store_actor store;
  clock_time started_at; ///< of the node: probes of a node that just came up are spread
  machine_facts machine; ///< as the runtime told them when the node came up
};
using node_context_ptr = std::shared_ptr<const node_context>;

/// The node's own address; "" when it has none.
inline std::string internal_ip_of(const machine_facts& machine) {
  for (auto& a : machine.addresses)
    if (a.type == "InternalIP") return a.address;
  return {};
}

/// A pod's address in its sandbox: the node's own where they share the network.
inline std::string address_of(const sandbox_info& sandbox, const machine_facts& machine) {
  return sandbox.ip.empty() ? internal_ip_of(machine) : sandbox.ip;
}

/// The event `reason` about a pod, or about one of its containers.
inline record_event pod_event(const node_context& ctx, const object& pod, const std::string& container,
                              std::string type, std::string reason, std::string message) {
  return {pod.key(),
          "Pod",
          pod.uid(),
          container.empty() ? "" : field_path_of(pod.as_pod().spec, container),
          std::move(type),
          std::move(reason),
          std::move(message),
          "kubelet",
          ctx.settings.node_name};
}

} // namespace podium
