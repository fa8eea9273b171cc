#include "runtime/volume/volume_maker.hpp"

#include "core/error.hpp"
#include "runtime/oci/sandbox_files.hpp"
#include "runtime/oci/small_files.hpp"
#include "runtime/volume/atomic_files.hpp"
#include "runtime/volume/host_path.hpp"
#include "runtime/volume/mount_points.hpp"
#include "runtime/volume/volume_tree.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

namespace podium {
namespace {

namespace fs = std::filesystem;

/// For the files of one volume: a Secret has at most a megabyte, but a projection may name many.
constexpr int64_t files_in_memory_bytes = 256 << 20;

caf::error make_directories(const std::string& path) {
  std::error_code ec;
  fs::create_directories(path, ec);
  if (ec) return errno_error("cannot make " + path, ec.value());
  ::chmod(path.c_str(), 0700);
  return {};
}

bool is_directory(const std::string& path) {
  struct stat facts {};
  return ::lstat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode);
}

/// A directory for all to write in; it has its name once it has its owner.
caf::error make_open_directory(const std::string& path, int64_t group) {
  if (is_directory(path)) return {};
  auto fresh = path + ".new"; // no volume has a dot in its name
  if (::mkdir(fresh.c_str(), 0700) != 0 && errno != EEXIST) return errno_error("cannot make " + fresh, errno);
  if (::chmod(fresh.c_str(), 0777) != 0) return errno_error("cannot make " + fresh, errno);
  if (group >= 0)
    if (auto err = give_to_group(fresh, group, false)) return err;
  return ::rename(fresh.c_str(), path.c_str()) == 0 ? caf::error{}
                                                    : errno_error("cannot make " + path, errno);
}

/// A directory as it is made for a persistent volume, before anybody had it.
bool is_unused(const std::string& path) {
  struct stat facts {};
  std::error_code ec;
  return ::lstat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode) && (facts.st_mode & 07777) == 0700
         && facts.st_uid == 0 && facts.st_gid == 0 && fs::is_empty(path, ec);
}

bool is_memory(const volume_wish& wish) {
  return wish.kind == volume_kind::memory || wish.in_memory;
}

} // namespace

std::string volume_maker::disk_of(const std::string& pod_uid) const {
  return settings_.root + "/pods/" + pod_uid + "/volumes";
}

std::string volume_maker::memory_of(const std::string& pod_uid) const {
  return settings_.run_root + "/volumes/" + pod_uid;
}

caf::error volume_maker::make_pod_directory(const std::string& pod_uid) const {
  if (!safe_name(pod_uid)) return make_error(errc::invalid, "not a pod's uid: '" + pod_uid + "'");
  auto path = settings_.root + "/pods/" + pod_uid;
  if (::mkdir(path.c_str(), 0711) == 0)
    ::chmod(path.c_str(), 0711);
  else if (errno != EEXIST)
    return errno_error("cannot make " + path, errno);
  return {};
}

volumes_set volume_maker::make(const set_volumes& request) const {
  volumes_set out;
  auto disk = disk_of(request.pod_uid);
  auto any = [&](auto&& holds) { return std::any_of(request.volumes.begin(), request.volumes.end(), holds); };
  bool own = any([](auto& wish) { return wish.kind != volume_kind::host_path; });
  bool on_disk = any([](auto& wish) { return wish.kind != volume_kind::host_path && !is_memory(wish); });
  caf::error failed;
  if (!safe_name(request.pod_uid))
    failed = make_error(errc::invalid, "not a pod's uid: '" + request.pod_uid + "'");
  else if (own)
    failed = make_pod_directory(request.pod_uid);
  if (on_disk && !failed && ::mkdir(disk.c_str(), 0700) != 0 && errno != EEXIST)
    failed = errno_error("cannot make " + disk, errno);
  for (auto& wish : request.volumes) {
    volume_place place{wish.name, "", ""};
    auto made = failed ? caf::expected<std::string>{failed} : make_one(request, wish);
    if (made)
      place.path = std::move(*made);
    else
      place.error = message_of(made.error());
    out.volumes.push_back(std::move(place));
  }
  return out;
}

caf::expected<std::string> volume_maker::make_one(const set_volumes& request, const volume_wish& wish) const {
  if (!safe_name(wish.name)) return make_error(errc::invalid, "not a volume's name: '" + wish.name + "'");
  if (wish.kind == volume_kind::host_path) {
    if (auto err = open_persistent(wish.path)) return err;
    if (auto err = check_host_path(wish.path, wish.type)) return err;
    if (wish.group_owned && request.fs_group >= 0)
      if (auto err = own_once(request, wish)) return err;
    return wish.path;
  }
  bool memory = is_memory(wish);
  auto path = (memory ? memory_of(request.pod_uid) : disk_of(request.pod_uid)) + "/" + wish.name;
  if (memory) {
    if (auto err = make_directories(memory_of(request.pod_uid))) return err;
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return errno_error("cannot make " + path, errno);
    auto size = wish.kind == volume_kind::memory ? wish.size_limit_bytes : files_in_memory_bytes;
    if (auto err = mount_memory(path, size, request.fs_group)) return err;
  } else if (auto err = make_open_directory(path, request.fs_group)) {
    return err;
  }
  if (wish.kind == volume_kind::files)
    if (auto written = write_atomically(path, wish.files, request.fs_group); !written) return written.error();
  return path;
}

/// Whoever the pod runs as may write in a directory of a persistent volume that nobody has used yet. An owner
/// that was given to it since stays.
caf::error volume_maker::open_persistent(const std::string& path) const {
  if (fs::path{path}.parent_path() != settings_.root + "/volumes") return {};
  if (auto made = persistent({fs::path{path}.filename(), false}); !made) return made.error();
  if (is_unused(path)) ::chmod(path.c_str(), 0777);
  return {};
}

/// The pod's processes may set modes and owners of their own, so the walk is done once for a pod; a file
/// beside the pod's volumes tells a later daemon. Source: the kubelet does it when it mounts, before
/// containers start.
caf::error volume_maker::own_once(const set_volumes& request, const volume_wish& wish) const {
  auto mark = disk_of(request.pod_uid) + "/" + wish.name + ".owned"; // no volume has a dot in its name
  auto text = std::to_string(request.fs_group) + " " + wish.path;
  if (read_small_file(mark) == text) return {};
  ::mkdir(disk_of(request.pod_uid).c_str(), 0700); // not that of a pod that has gone meanwhile
  if (auto err = give_to_group(wish.path, request.fs_group, request.on_root_mismatch)) return err;
  return replace_file(mark, text, 0600);
}

caf::error volume_maker::remove(const std::string& pod_uid) const {
  if (!safe_name(pod_uid)) return make_error(errc::invalid, "not a pod's uid: '" + pod_uid + "'");
  auto memory = remove_with_mounts(memory_of(pod_uid));
  auto disk = remove_with_mounts(disk_of(pod_uid));
  ::rmdir((settings_.root + "/pods/" + pod_uid).c_str()); // stays where a sandbox is, or was
  return memory ? memory : disk;
}

volume_usage volume_maker::usage(const std::string& pod_uid) const {
  volume_usage out;
  if (!safe_name(pod_uid)) return out;
  std::error_code ec;
  for (auto& entry : fs::directory_iterator(disk_of(pod_uid), ec))
    if (entry.symlink_status(ec).type() == fs::file_type::directory)
      out.used_bytes[entry.path().filename().string()] = tree_bytes(entry.path().string());
  for (auto& entry : fs::directory_iterator(memory_of(pod_uid), ec)) {
    struct statfs facts {};
    if (::statfs(entry.path().c_str(), &facts) == 0)
      out.used_bytes[entry.path().filename().string()] =
          static_cast<int64_t>(facts.f_blocks - facts.f_bfree) * static_cast<int64_t>(facts.f_bsize);
  }
  return out;
}

caf::expected<volume_directory> volume_maker::persistent(const make_volume_directory& request) const {
  if (!safe_name(request.volume_name))
    return make_error(errc::invalid, "not a volume's name: '" + request.volume_name + "'");
  auto all = settings_.root + "/volumes";
  auto path = all + "/" + request.volume_name;
  if (request.remove) {
    if (auto err = remove_with_mounts(path)) return err;
    return volume_directory{path};
  }
  if (auto err = make_directories(all)) return err;
  ::chmod(all.c_str(), 0711);
  if (!is_directory(path) && ::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return errno_error("cannot make " + path, errno);
  return volume_directory{path};
}

void volume_maker::sweep() const {
  std::error_code ec;
  std::vector<std::string> gone;
  for (auto& entry : fs::directory_iterator(settings_.run_root + "/volumes", ec)) {
    auto uid = entry.path().filename().string();
    if (!is_directory(settings_.root + "/pods/" + uid)) gone.push_back(uid);
  }
  for (auto& uid : gone)
    remove_with_mounts(memory_of(uid));
  // A daemon that ended between a persistent volume's directory and its object leaves a directory that nobody
  // knows. Those that nobody has used go; the first pod of a volume makes its directory again.
  std::vector<std::string> unused;
  for (auto& entry : fs::directory_iterator(settings_.root + "/volumes", ec))
    if (entry.path().filename().string().starts_with("pvc-") && is_unused(entry.path().string()))
      unused.push_back(entry.path().string());
  for (auto& path : unused)
    ::rmdir(path.c_str());
}

} // namespace podium
