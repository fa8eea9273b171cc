// What is mounted in a container, and what of /proc and /sys is kept from it.
#pragma once
#include "runtime/oci/spec.hpp"

namespace podium {

boost::json::array make_mounts(const create_container& request, const container_places& places,
                               bool privileged);
boost::json::array masked_paths();
boost::json::array readonly_paths();

} // namespace podium
