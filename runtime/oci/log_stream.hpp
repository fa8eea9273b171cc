// Reads a container's log: from the end or a time on, whole or as it grows.
#pragma once
#include "runtime/oci/container_streams.hpp"

namespace podium {

container_streams::stream start_log_stream(oci_runtime& runtime, const running_container& container,
                                           const log_request& request, stream_events events);

} // namespace podium
