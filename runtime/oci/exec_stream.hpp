// A command in a container with live streams, over pipes or a terminal.
#pragma once
#include "runtime/oci/container_streams.hpp"

namespace podium {

/// Starts it. Errors: errc::io.
container_streams::stream start_exec_stream(oci_runtime& runtime, const running_container& container,
                                            const exec_stream_request& request, stream_events events);

} // namespace podium
