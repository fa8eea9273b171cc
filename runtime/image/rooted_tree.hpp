// A directory tree that is written to from untrusted names: nothing outside its root is ever touched.
#pragma once
#include "runtime/process/unique_fd.hpp"
#include <caf/expected.hpp>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace podium {

/// Cleans an archive's path: no leading "/" or "./", no empty or "." parts; "" is the root itself.
/// Error errc::invalid for "..", a NUL byte or a path longer than 4096 bytes.
caf::expected<std::string> clean_archive_path(std::string_view path);

/// Resolves names below a root directory. Symbolic links on the way, absolute ones too, are followed as if
/// the root were
/// "/" (openat2 with RESOLVE_IN_ROOT). Blocks; for a work pool's thread.
class rooted_tree {
public:
  /// `trash` is an existing directory on the same file system, outside the tree, where replaced directories
  /// go.
  rooted_tree(unique_fd root, unique_fd trash) : root_(std::move(root)), trash_(std::move(trash)) {}

  /// The directory that holds `path` (cleaned, not empty), made with mode 0755 where it is missing. The
  /// descriptor stays the tree's and is valid until the next call.
  caf::expected<int> parent_of(const std::string& path);
  /// Opens a directory itself for its metadata; an invalid descriptor when it is not there (any more).
  unique_fd open_directory(const std::string& path) const;
  /// Takes away what lies at `name` in `parent`, if anything; a directory is moved to the trash.
  caf::error remove(int parent, const std::string& name);
  int root() const { return root_.get(); }

private:
  unique_fd open_in_root(const std::string& path, int flags) const;
  caf::error make_directories(const std::string& path, int depth);

  unique_fd root_;
  unique_fd trash_;
  unique_fd cached_;
  std::string cached_path_;
  unsigned trashed_ = 0;
};

} // namespace podium
