// Pod streams of the node in this process: the container runtime's live connections, as the API wants them.
#pragma once
#include "api/pod_streams.hpp"
#include "runtime/loop/event_loop.hpp"

namespace podium {
class container_streams;
}

namespace podium::api {

/// `streams` must outlive what is made here.
std::shared_ptr<pod_streams> make_node_streams(event_loop& loop, container_streams& streams);

} // namespace podium::api
