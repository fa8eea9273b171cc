// Mount points of volumes: made, found again and taken away, whoever made them.
#pragma once
#include <caf/error.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace podium {

/// Whether something is mounted at the directory itself.
bool is_mount_point(const std::string& directory);
/// Mounts an empty memory file system over an existing directory; one that is there stays as it is. `group`
/// -1 is root's. Its mode is 1777, as the kubelet's (3777 for a group): who may write may not delete what
/// others wrote. It is kept out of swap where the kernel knows how. Errors: errc::io.
caf::error mount_memory(const std::string& directory, int64_t size_bytes, int64_t group);
/// Takes away all that is mounted at a path, also while it is in use.
void unmount_all(const std::string& path);
/// Mount points at and below a directory of this mount namespace, deepest first.
std::vector<std::string> mount_points_below(const std::string& directory);
/// Takes away all that is mounted at and below a directory and deletes it; what is behind the mounts stays:
/// no deletion enters one. It is for what is over (an ended pod's, a released volume's): where a mount does
/// not go, or something is left (errc::io), what lies beside it has been deleted, and another call goes on
/// from there.
caf::error remove_with_mounts(const std::string& directory);

} // namespace podium
