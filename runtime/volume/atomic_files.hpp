// The files of configMap, secret, downwardAPI and projected volumes, replaced all at once.
#pragma once
#include "messages/volume_port.hpp"

#include <caf/expected.hpp>

namespace podium {

/// Makes `files` the content of a volume. They lie in a fresh directory named after the time, `..data` is a
/// link to it, and every file's first path component is a link into `..data`: one rename of `..data` gives
/// readers the new content, whole. Source: the kubelet's AtomicWriter. Idempotent, also after a call that was
/// cut short; nothing is written when nothing changed. `group` owns the files (-1: root's). The directory
/// exists. Answers whether anything changed. Errors: errc::invalid (a path that leaves the volume), errc::io,
/// errc::no_space. Blocks.
caf::expected<bool> write_atomically(const std::string& root, const std::vector<volume_file>& files,
                                     int64_t group);

} // namespace podium
