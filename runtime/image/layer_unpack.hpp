// Unpacks one OCI image layer into a directory that overlayfs can use as a lower layer.
#pragma once
#include <caf/expected.hpp>
#include <cstdint>
#include <filesystem>
#include <string>

namespace podium {

/// Bounds for one layer.
struct unpack_limits {
  uint64_t layer_bytes = 32ull << 30; ///< of the archive, and of all files in it together
  uint64_t entries = 2'000'000;
};

/// What an unpacked layer was.
struct unpacked_layer {
  std::string diff_id;     ///< "sha256:…" of the uncompressed archive
  uint64_t file_bytes = 0; ///< sum of the sizes of its files
  uint64_t entries = 0;
};

/// Unpacks the blob `blob` into `work_dir`/diff (made here; `work_dir` must exist and be empty, and is the
/// caller's to delete). Whiteouts take overlayfs' form: a character device 0/0, and trusted.overlay.opaque on
/// a directory. No entry can reach outside diff. Checks the stored bytes against `blob_digest`. Errors
/// errc::image_pull (corrupt or refused content), errc::too_large, errc::no_space, errc::io. Blocks.
caf::expected<unpacked_layer> unpack_layer(const std::filesystem::path& blob, const std::string& blob_digest,
                                           const std::filesystem::path& work_dir,
                                           const unpack_limits& limits);

} // namespace podium
