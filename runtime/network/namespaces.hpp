// Network namespaces that live without a process: made on a thread of their own and pinned by a bind mount.
#pragma once
#include "runtime/network/netlink.hpp"
#include <caf/expected.hpp>
#include <filesystem>

namespace podium {

/// Makes a network namespace, pins it to the new file `pin` and gives a netlink socket inside. The calling
/// thread stays in its own namespace. Errors: errc::io (CAP_SYS_ADMIN is needed). Blocks.
caf::expected<netlink_socket> make_network_namespace(const std::filesystem::path& pin);

/// True when `pin` is a pinned namespace.
bool is_network_namespace(const std::filesystem::path& pin);

/// Takes the pin away; the namespace ends with the last process in it. One that is not there is done.
caf::error remove_network_namespace(const std::filesystem::path& pin);

} // namespace podium
