// Files of a few kilobytes, read and written whole: kernel files, state files, exit files.
#pragma once
#include <caf/error.hpp>
#include <string>
#include <string_view>

namespace podium {

/// The file's first `limit_bytes`; empty when it cannot be read.
std::string read_small_file(const std::string& path, size_t limit_bytes = 1 << 20);
/// Writes without creating or truncating: for kernel files. False when the kernel refuses.
bool write_small_file(const std::string& path, std::string_view text);
/// Replaces a file so that a reader, also after a crash of this process, sees the old text or the new one.
/// Error: errc::io, errc::no_space.
caf::error replace_file(const std::string& path, std::string_view text, unsigned mode = 0644);
/// Deletes a tree without following links; what is mounted at it or below is left with all that is in it,
/// also a part of the same file system. Best effort.
void remove_tree(const std::string& path);
/// The kernel's id of this boot: what it differs from, no process or mount has outlived.
std::string boot_id();

} // namespace podium
