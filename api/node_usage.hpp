// What the containers of the node in this process use, and the node itself.
#pragma once
#include "api/usage.hpp"

#include <memory>

namespace podium {
class oci_runtime;
}

namespace podium::api {

/// `runtime` must outlive what is made here.
std::shared_ptr<usage_source> make_node_usage(oci_runtime& runtime, std::string node_name);

} // namespace podium::api
