// The pod network as the OCI runtime wants it.
#pragma once
#include "runtime/network/pod_network.hpp"
#include "runtime/oci/oci_runtime.hpp"
#include <set>

namespace podium {

/// `network` (started) must outlive the runtime that uses the port. `adopted`: the uids of the pods that
/// pod_network::start() gave; read on the loop thread, filled before the runtime's start.
inline pod_network_port port_of(pod_network& network, std::shared_ptr<const std::set<std::string>> adopted) {
  pod_network_port port;
  port.add = [&network](const create_sandbox& request, const std::string& ns_path, auto done) {
    network.setup(request.pod_uid, request.ports, ns_path, [done](caf::expected<pod_network_info> info) {
      if (!info) return done(std::move(info.error()));
      done(info->ip);
    });
  };
  port.remove = [&network](const std::string& pod_uid, const std::string&, auto done) {
    network.teardown(pod_uid, std::move(done));
  };
  port.whole = [adopted = std::move(adopted)](const std::string& pod_uid) {
    return adopted->contains(pod_uid);
  };
  return port;
}

} // namespace podium
