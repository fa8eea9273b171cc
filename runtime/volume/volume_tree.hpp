// Walks over a volume's tree: who owns it, how much it holds. Symbolic links and other file systems are left
// alone. Blocks: for a work pool's thread.
#pragma once
#include <caf/error.hpp>
#include <cstdint>
#include <string>

namespace podium {

/// Gives a tree to a group: everything gets the group and what it needs to read and write (files rw,
/// directories also setgid and x). `on_root_mismatch`: nothing is done where the root is so already. Source:
/// the kubelet's SetVolumeOwnership. Errors: errc::io.
caf::error give_to_group(const std::string& root, int64_t group, bool on_root_mismatch);

/// What a tree holds on the disk, in bytes; files with several names count once.
int64_t tree_bytes(const std::string& root);

} // namespace podium
