// Joins the streams of a container's main process, through the socket that conmon listens on.
#pragma once
#include "runtime/oci/container_streams.hpp"

namespace podium {

/// Connects. Errors: errc::io, errc::bad_request: the container has just ended.
container_streams::stream start_attach_stream(oci_runtime& runtime, const running_container& container,
                                              const attach_request& request, stream_events events);

} // namespace podium
