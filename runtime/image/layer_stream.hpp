// A layer blob as two streams, hashed both ways: its bytes as stored, and the tar archive inside.
#pragma once
#include "runtime/image/digest.hpp"
#include "runtime/process/unique_fd.hpp"
#include <caf/expected.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

struct archive;

namespace podium {

/// Decompresses a blob (gzip, zstd or nothing) chunk by chunk. Blocks; for a work pool's thread.
class layer_stream {
public:
  /// `limit_bytes` bounds the decompressed size.
  layer_stream(unique_fd blob, uint64_t limit_bytes);
  ~layer_stream();
  layer_stream(const layer_stream&) = delete;
  layer_stream& operator=(const layer_stream&) = delete;

  /// Starts; an error when the blob cannot be read.
  caf::error open();
  /// The next chunk, valid until the next call; empty at the end. Error errc::image_pull or errc::too_large.
  caf::expected<std::span<const char>> next();
  /// Reads both streams to their ends.
  caf::error drain();
  /// Digest of the stored bytes; call once, after drain().
  std::string blob_digest() { return blob_hash_.finish(); }
  /// Digest of the archive (the layer's diff id); call once, after drain().
  std::string diff_id() { return diff_hash_.finish(); }

private:
  static ssize_t read_blob(archive*, void* self, const void** buffer);

  unique_fd blob_;
  uint64_t limit_bytes_;
  uint64_t given_bytes_ = 0;
  archive* archive_ = nullptr;
  std::vector<char> buffer_;
  sha256 blob_hash_;
  sha256 diff_hash_;
  bool ended_ = false;
};

} // namespace podium
