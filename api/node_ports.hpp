// Ports of the pods on the node in this process.
#pragma once
#include "api/pod_ports.hpp"
#include "runtime/loop/event_loop.hpp"

namespace podium {
class oci_runtime;
}

namespace podium::api {

/// Connections into pods that may be open at a time: each costs two descriptors.
constexpr size_t max_port_connections = 2000;

/// `runtime` must outlive what is made here; the loop must still run at its end.
std::shared_ptr<pod_ports> make_node_ports(event_loop& loop, oci_runtime& runtime);

} // namespace podium::api
