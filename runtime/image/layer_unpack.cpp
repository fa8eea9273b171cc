#include "runtime/image/layer_unpack.hpp"
#include "core/error.hpp"
#include "runtime/image/layer_stream.hpp"
#include "runtime/image/rooted_tree.hpp"
#include <archive.h>
#include <archive_entry.h>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

namespace podium {

namespace {

constexpr std::string_view whiteout_prefix = ".wh.";
constexpr std::string_view opaque_name = ".wh..wh..opq";
constexpr int64_t max_id = 0xfffffffe; // the last value that chown does not take for "leave as it is"

using archive_ptr = std::unique_ptr<archive, decltype(&archive_read_free)>;

class layer_unpacker {
public:
  layer_unpacker(layer_stream& stream, rooted_tree& tree, const unpack_limits& limits)
      : stream_(stream), tree_(tree), limits_(limits) {}

  caf::error run();
  unpacked_layer result;

private:
  static ssize_t read_tar(archive* a, void* self, const void** buffer);
  caf::error entry(archive_entry* e);
  caf::error whiteout(int parent, const std::string& path, std::string_view name);
  caf::error make_node(int parent, const std::string& name, const std::string& path, archive_entry* e);
  caf::error make_file(int parent, const std::string& name, archive_entry* e);
  caf::error make_directory(int parent, const std::string& name, const std::string& path, archive_entry* e);
  caf::error make_link(const std::string& name, const std::string& path, archive_entry* e);
  caf::error copy_data(int fd, archive_entry* e);
  caf::error set_owner(int parent, const std::string& name, archive_entry* e, bool mode);
  caf::error set_xattrs(int fd, archive_entry* e);
  caf::error set_opaque(const std::string& path);
  caf::error finish_directories();
  caf::error failed(std::string_view what, const std::string& path) const {
    return errno_error(std::string{what} + " /" + path + " of the layer", errno);
  }

  layer_stream& stream_;
  rooted_tree& tree_;
  const unpack_limits& limits_;
  archive_ptr tar_{archive_read_new(), archive_read_free};
  caf::error stream_error_;
  // Modification times of directories are set last: what is put into one changes it.
  std::vector<std::pair<std::string, timespec>> directory_times_;
};

std::array<timespec, 2> times_of(archive_entry* e) {
  timespec mtime{};
  if (archive_entry_mtime_is_set(e)) {
    mtime.tv_sec = archive_entry_mtime(e);
    auto nsec = archive_entry_mtime_nsec(e);
    mtime.tv_nsec = nsec >= 0 && nsec < 1'000'000'000 ? nsec : 0;
  }
  return {mtime, mtime};
}

mode_t mode_of(archive_entry* e) {
  return static_cast<mode_t>(archive_entry_perm(e)) & 07777;
}

const char* first_of(const char* raw, const char* utf8) {
  return raw ? raw : utf8;
}

bool is_whiteout_device(const struct stat& st) {
  return S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0);
}

ssize_t layer_unpacker::read_tar(archive* a, void* self_ptr, const void** buffer) {
  auto* self = static_cast<layer_unpacker*>(self_ptr);
  auto chunk = self->stream_.next();
  if (!chunk) {
    self->stream_error_ = std::move(chunk.error());
    archive_set_error(a, EIO, "%s", "cannot read on");
    return -1;
  }
  *buffer = chunk->data();
  return static_cast<ssize_t>(chunk->size());
}

caf::error layer_unpacker::run() {
  auto* a = tar_.get();
  archive_read_support_format_tar(a);
  archive_read_support_format_empty(a);
  auto bad = [&](std::string_view what) -> caf::error {
    if (stream_error_) return std::move(stream_error_);
    auto* text = archive_error_string(a);
    return make_error(errc::image_pull, std::string{what} + (text ? ": " + std::string{text} : ""));
  };
  if (archive_read_open(a, this, nullptr, read_tar, nullptr) != ARCHIVE_OK)
    return bad("the layer is no tar archive");
  while (true) {
    archive_entry* e = nullptr;
    auto rc = archive_read_next_header(a, &e);
    if (rc == ARCHIVE_EOF) break;
    if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN) return bad("the layer is no good tar archive");
    if (++result.entries > limits_.entries)
      return make_error(errc::too_large,
                        "the layer has more than " + std::to_string(limits_.entries) + " entries");
    if (auto err = entry(e)) return err;
  }
  if (auto err = stream_.drain()) return err;
  return finish_directories();
}

caf::error layer_unpacker::entry(archive_entry* e) {
  auto* raw = first_of(archive_entry_pathname(e), archive_entry_pathname_utf8(e));
  if (!raw) return make_error(errc::image_pull, "the layer has an entry without a name");
  auto path = clean_archive_path(raw);
  if (!path) return std::move(path.error());
  if (path->empty()) {
    if (archive_entry_filetype(e) != AE_IFDIR)
      return make_error(errc::image_pull, "the layer puts something other than a directory at its root");
    return make_directory(tree_.root(), ".", *path, e);
  }
  auto name = path->substr(path->rfind('/') + 1);
  auto parent = tree_.parent_of(*path);
  if (!parent) return std::move(parent.error());
  if (name.starts_with(whiteout_prefix)) return whiteout(*parent, *path, name);
  return make_node(*parent, name, *path, e);
}

caf::error layer_unpacker::whiteout(int parent, const std::string& path, std::string_view name) {
  auto slash = path.rfind('/');
  auto head = slash == path.npos ? std::string{} : path.substr(0, slash);
  if (name == opaque_name) return set_opaque(head);
  // Other names of this form are aufs' own book-keeping and mean nothing here.
  if (name.starts_with(".wh..wh.")) return {};
  std::string hidden{name.substr(whiteout_prefix.size())};
  if (hidden.empty() || hidden == "." || hidden == "..")
    return make_error(errc::image_pull, "the layer has a whiteout without a name");
  if (::mknodat(parent, hidden.c_str(), S_IFCHR | 0600, makedev(0, 0)) == 0) return {};
  if (errno != EEXIST) return failed("cannot make the whiteout", path);
  // This layer has put something there itself: that stays, and only what lies below it is hidden.
  struct stat st {};
  if (::fstatat(parent, hidden.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(st.st_mode)) return {};
  return set_opaque(head.empty() ? hidden : head + "/" + hidden);
}

caf::error layer_unpacker::set_opaque(const std::string& path) {
  auto dir = tree_.open_directory(path);
  if (!dir) return failed("cannot open", path);
  if (::fsetxattr(dir.get(), "trusted.overlay.opaque", "y", 1, 0) != 0)
    return failed("cannot mark as opaque", path);
  return {};
}

caf::error layer_unpacker::make_node(int parent, const std::string& name, const std::string& path,
                                     archive_entry* e) {
  auto type = archive_entry_filetype(e);
  if (archive_entry_hardlink(e) || archive_entry_hardlink_utf8(e)) return make_link(name, path, e);
  if (type == AE_IFDIR) return make_directory(parent, name, path, e);
  if (auto err = tree_.remove(parent, name)) return err;
  if (type == AE_IFREG) return make_file(parent, name, e);
  int rc = -1;
  switch (type) {
  case AE_IFLNK: {
    auto* target = first_of(archive_entry_symlink(e), archive_entry_symlink_utf8(e));
    if (!target || !*target)
      return make_error(errc::image_pull, "the layer has a symbolic link to nothing: /" + path);
    rc = ::symlinkat(target, parent, name.c_str());
    break;
  }
  case AE_IFIFO:
    rc = ::mknodat(parent, name.c_str(), S_IFIFO | 0600, 0);
    break;
  case AE_IFCHR:
  case AE_IFBLK: {
    auto dev = makedev(static_cast<unsigned>(archive_entry_rdevmajor(e)),
                       static_cast<unsigned>(archive_entry_rdevminor(e)));
    // Overlayfs would take it for a whiteout.
    if (type == AE_IFCHR && dev == makedev(0, 0))
      return make_error(errc::image_pull, "the layer has a device 0/0, which nothing may be: /" + path);
    rc = ::mknodat(parent, name.c_str(), (type == AE_IFCHR ? S_IFCHR : S_IFBLK) | 0600, dev);
    break;
  }
  default:
    return make_error(errc::image_pull, "the layer has an entry of a kind that no image may have: /" + path);
  }
  if (rc != 0) return failed("cannot make", path);
  if (auto err = set_owner(parent, name, e, type != AE_IFLNK)) return err;
  auto times = times_of(e);
  ::utimensat(parent, name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW);
  return {};
}

caf::error layer_unpacker::make_directory(int parent, const std::string& name, const std::string& path,
                                          archive_entry* e) {
  if (!path.empty() && ::mkdirat(parent, name.c_str(), 0755) != 0) {
    if (errno != EEXIST) return failed("cannot make", path);
    struct stat st {};
    if (::fstatat(parent, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return failed("cannot look at", path);
    if (!S_ISDIR(st.st_mode)) {
      if (auto err = tree_.remove(parent, name)) return err;
      if (::mkdirat(parent, name.c_str(), 0755) != 0) return failed("cannot make", path);
      // A whiteout came first: the directory replaces what lower layers have, it does not merge with it.
      if (is_whiteout_device(st))
        if (auto err = set_opaque(path)) return err;
    }
  }
  unique_fd dir{::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
  if (!dir) return failed("cannot open", path);
  if (auto err = set_owner(parent, name, e, false)) return err;
  if (::fchmod(dir.get(), mode_of(e)) != 0) return failed("cannot set the mode of", path);
  if (auto err = set_xattrs(dir.get(), e)) return err;
  directory_times_.emplace_back(path, times_of(e)[0]);
  return {};
}

caf::error layer_unpacker::make_link(const std::string& name, const std::string& path, archive_entry* e) {
  auto* raw = first_of(archive_entry_hardlink(e), archive_entry_hardlink_utf8(e));
  auto target = clean_archive_path(raw ? raw : "");
  if (!target) return std::move(target.error());
  if (*target == path) return {};
  if (target->empty()) return make_error(errc::image_pull, "the layer has a hard link to its root: /" + path);
  auto target_parent = tree_.parent_of(*target);
  if (!target_parent) return std::move(target_parent.error());
  unique_fd held{::fcntl(*target_parent, F_DUPFD_CLOEXEC, 0)};
  if (!held) return failed("cannot open", *target);
  auto parent = tree_.parent_of(path);
  if (!parent) return std::move(parent.error());
  if (auto err = tree_.remove(*parent, name)) return err;
  auto target_name = target->substr(target->rfind('/') + 1);
  // Without AT_SYMLINK_FOLLOW: a link to a symbolic link is one, as in the archive.
  if (::linkat(held.get(), target_name.c_str(), *parent, name.c_str(), 0) != 0) {
    if (errno == ENOENT)
      return make_error(errc::image_pull,
                        "the layer links /" + path + " to /" + *target + ", which it does not hold");
    return failed("cannot link", path);
  }
  return {};
}

caf::error layer_unpacker::make_file(int parent, const std::string& name, archive_entry* e) {
  unique_fd file{::openat(parent, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
  if (!file) return failed("cannot make", name);
  if (auto err = copy_data(file.get(), e)) return err;
  // In this order: chown takes set-id bits and capabilities away.
  if (auto err = set_owner(parent, name, e, false)) return err;
  if (::fchmod(file.get(), mode_of(e)) != 0) return failed("cannot set the mode of", name);
  if (auto err = set_xattrs(file.get(), e)) return err;
  auto times = times_of(e);
  ::futimens(file.get(), times.data());
  return {};
}

caf::error layer_unpacker::copy_data(int fd, archive_entry* e) {
  auto size = archive_entry_size(e);
  auto too_large = [&] {
    return make_error(errc::too_large,
                      "the layer's files hold more than " + std::to_string(limits_.layer_bytes) + " bytes");
  };
  if (size < 0 || static_cast<uint64_t>(size) > limits_.layer_bytes - result.file_bytes) return too_large();
  result.file_bytes += static_cast<uint64_t>(size);
  int64_t end = 0;
  while (true) {
    const void* data = nullptr;
    size_t n = 0;
    int64_t offset = 0;
    auto rc = archive_read_data_block(tar_.get(), &data, &n, &offset);
    if (rc == ARCHIVE_EOF) break;
    if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN) {
      if (stream_error_) return std::move(stream_error_);
      return make_error(errc::image_pull, "the layer ends in the middle of a file");
    }
    if (offset < 0 || static_cast<uint64_t>(offset) + n > static_cast<uint64_t>(size)) return too_large();
    auto* p = static_cast<const char*>(data);
    while (n > 0) {
      auto written = ::pwrite(fd, p, n, offset);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return errno_error("cannot write a file of the layer", errno);
      p += written;
      offset += written;
      n -= static_cast<size_t>(written);
    }
    end = std::max(end, offset);
  }
  if (end < size && ::ftruncate(fd, size) != 0) return errno_error("cannot write a file of the layer", errno);
  return {};
}

caf::error layer_unpacker::set_owner(int parent, const std::string& name, archive_entry* e, bool mode) {
  auto uid = archive_entry_uid(e);
  auto gid = archive_entry_gid(e);
  if (uid < 0 || uid > max_id || gid < 0 || gid > max_id)
    return make_error(errc::image_pull, "the layer has a file with an impossible owner: " + name);
  if (::fchownat(parent, name.c_str(), static_cast<uid_t>(uid), static_cast<gid_t>(gid), AT_SYMLINK_NOFOLLOW)
      != 0)
    return failed("cannot set the owner of", name);
  if (mode && ::fchmodat(parent, name.c_str(), mode_of(e), 0) != 0)
    return failed("cannot set the mode of", name);
  return {};
}

// File capabilities and user attributes. Never trusted.*: an image could steer overlayfs itself by them.
caf::error layer_unpacker::set_xattrs(int fd, archive_entry* e) {
  archive_entry_xattr_reset(e);
  const char* name = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  while (archive_entry_xattr_next(e, &name, &value, &size) == ARCHIVE_OK) {
    std::string_view view{name ? name : ""};
    if (view != "security.capability" && !view.starts_with("user.")) continue;
    if (::fsetxattr(fd, name, value, size, 0) != 0 && errno != ENOTSUP)
      return errno_error("cannot set " + std::string{view} + " in the layer", errno);
  }
  return {};
}

caf::error layer_unpacker::finish_directories() {
  for (auto i = directory_times_.rbegin(); i != directory_times_.rend(); ++i) {
    const timespec times[] = {i->second, i->second};
    if (auto dir = tree_.open_directory(i->first)) ::futimens(dir.get(), times);
  }
  return {};
}

} // namespace

caf::expected<unpacked_layer> unpack_layer(const std::filesystem::path& blob, const std::string& blob_digest,
                                           const std::filesystem::path& work_dir,
                                           const unpack_limits& limits) {
  auto open_new_directory = [&](const char* name) {
    auto path = work_dir / name;
    if (::mkdir(path.c_str(), 0755) != 0) return unique_fd{};
    return unique_fd{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  };
  auto diff = open_new_directory("diff");
  auto trash = diff ? open_new_directory("trash") : unique_fd{};
  if (!diff || !trash) return errno_error("cannot make a directory in " + work_dir.string(), errno);
  unique_fd file{::open(blob.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file) return errno_error("cannot open the layer " + blob_digest, errno);
  rooted_tree tree{std::move(diff), std::move(trash)};
  layer_stream stream{std::move(file), limits.layer_bytes};
  layer_unpacker unpacker{stream, tree, limits};
  auto err = stream.open();
  if (!err) err = unpacker.run();
  if (err) {
    // A blob that is not what its name says explains every other failure.
    auto actual = digest_of_file(blob);
    if (actual && *actual != blob_digest)
      return make_error(errc::image_pull,
                        "layer " + blob_digest + " is corrupt: its content has digest " + *actual);
    if (code_of(err) == errc::invalid)
      return make_error(errc::image_pull, "layer " + blob_digest + " is refused: " + message_of(err));
    return err;
  }
  if (auto actual = stream.blob_digest(); actual != blob_digest)
    return make_error(errc::image_pull,
                      "layer " + blob_digest + " is corrupt: its content has digest " + actual);
  unpacker.result.diff_id = stream.diff_id();
  return unpacker.result;
}

} // namespace podium
