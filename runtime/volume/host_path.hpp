// hostPath volumes: is what lies at the path what the pod expects?
#pragma once
#include <caf/error.hpp>
#include <string>

namespace podium {

/// Checks a path by its HostPathType, and makes it where the type says so. A type of "" takes what is there,
/// and makes a directory where nothing is, as container runtimes do. Errors, errc::invalid, in the kubelet's
/// words: `hostPath type check failed: /x is not a directory`. Blocks.
caf::error check_host_path(const std::string& path, const std::string& type);

} // namespace podium
