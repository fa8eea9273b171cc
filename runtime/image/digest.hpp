// SHA-256 digests as OCI writes them.
#pragma once
#include <caf/expected.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace podium {

/// A running SHA-256.
class sha256 {
public:
  sha256();
  ~sha256();
  void update(const void* data, size_t size);
  /// "sha256:<64 hex digits>" of all that was given; ends the computation.
  std::string finish();

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

/// The digest of a text.
std::string digest_of(std::string_view text);

/// The digest of a file's bytes. Blocks.
caf::expected<std::string> digest_of_file(const std::filesystem::path& file);

/// Reads a whole file of at most `limit_bytes`. Blocks.
caf::expected<std::string> read_file(const std::filesystem::path& file, size_t limit_bytes);

} // namespace podium
