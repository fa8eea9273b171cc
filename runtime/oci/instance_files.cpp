#include "runtime/oci/instance_files.hpp"

#include "core/error.hpp"
#include "core/utf8.hpp"
#include "runtime/oci/conmon.hpp"
#include "runtime/oci/seccomp.hpp"
#include "runtime/oci/signals.hpp"
#include "runtime/oci/small_files.hpp"
#include "runtime/oci/spec.hpp"
#include "runtime/oci/volume_mounts.hpp"
#include "runtime/process/unique_fd.hpp"
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <set>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>

namespace podium {

namespace fs = std::filesystem;

namespace {

constexpr long overlay_magic = 0x794c7630;
constexpr size_t message_bytes = 4096, message_log_bytes = 2048;
constexpr off_t log_window = 32 * 1024;
constexpr int message_log_lines = 80;

bool is_overlay(const std::string& path) {
  struct statfs facts {};
  return ::statfs(path.c_str(), &facts) == 0 && facts.f_type == overlay_magic;
}

/// mount(2) takes one page of options; images with many layers need the newer calls, which take one layer
/// each.
int mount_overlay_by_layer(const std::vector<std::string>& layers, const instance_paths& paths) {
  unique_fd context{::fsopen("overlay", FSOPEN_CLOEXEC)};
  if (!context) return errno;
  auto set = [&](const char* key, const std::string& value) {
    return ::fsconfig(context.get(), FSCONFIG_SET_STRING, key, value.c_str(), 0) == 0;
  };
  for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer)
    if (!set("lowerdir+", *layer)) return errno;
  if (!set("upperdir", paths.upper) || !set("workdir", paths.work)) return errno;
  if (::fsconfig(context.get(), FSCONFIG_SET_FLAG, "volatile", nullptr, 0) != 0) return errno;
  if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return errno;
  unique_fd mounted{::fsmount(context.get(), FSMOUNT_CLOEXEC, 0)};
  if (!mounted) return errno;
  return ::move_mount(mounted.get(), "", AT_FDCWD, paths.rootfs.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0 ? errno
                                                                                                       : 0;
}

caf::error make_directories(const instance_paths& paths) {
  std::error_code ec;
  for (auto* directory : {&paths.directory, &paths.rootfs, &paths.upper, &paths.work}) {
    fs::create_directories(*directory, ec);
    if (ec) return errno_error("cannot make " + *directory, ec.value());
  }
  ::chmod(paths.upper.c_str(), 0755); // it shows as the container's "/"
  return {};
}

caf::error make_termination_log(const std::string& path) {
  unique_fd fd{::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666)};
  if (!fd) return errno_error(path, errno);
  ::fchmod(fd.get(), 0666); // whoever the container runs as may write it
  return {};
}

/// Pins the process namespace of a container that runs. Its number may have become another process's by the
/// time that /proc is looked at: while the pidfd shows no end, it has not.
caf::error pin_process_namespace(const target_process& target, const std::string& path) {
  auto source = "/proc/" + std::to_string(target.pid) + "/ns/pid";
  unique_fd found{::open(source.c_str(), O_RDONLY | O_CLOEXEC)};
  pollfd ended{target.pidfd.get(), POLLIN, 0};
  if (!found || ::poll(&ended, 1, 0) != 0)
    return make_error(errc::container_create,
                      "invalid target container: container \"" + target.name + "\" is not running");
  unique_fd file{::open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0444)};
  auto opened = "/proc/self/fd/" + std::to_string(found.get());
  if (!file || ::mount(opened.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) != 0)
    return errno_error("cannot pin a namespace at " + path, errno);
  return {};
}

/// The last `limit` bytes of a file; empty when it cannot be read.
std::string end_of_file(const std::string& path, off_t limit) {
  unique_fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  struct stat facts {};
  if (!fd || ::fstat(fd.get(), &facts) != 0) return {};
  off_t from = std::max<off_t>(facts.st_size - limit, 0);
  std::string text(static_cast<size_t>(facts.st_size - from), '\0');
  auto n = ::pread(fd.get(), text.data(), text.size(), from);
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

/// The last lines of a CRI log, without their stamps: at most 80 lines and 2048 bytes, of the first of them
/// perhaps the end alone. Source: the kubelet's readLastStringFromContainerLogs.
std::string end_of_log(const std::string& path) {
  auto text = end_of_file(path, log_window);
  std::string result;
  int lines = 0;
  for (size_t end = text.size(); end > 0 && lines < message_log_lines;) {
    if (text[end - 1] == '\n') --end;
    size_t begin = end == 0 ? 0 : text.rfind('\n', end - 1);
    begin = begin == std::string::npos ? 0 : begin + 1;
    std::string_view line{text.data() + begin, end - begin};
    // "<time> <stream> <tag> <text>"
    size_t tag = 0, at = 0;
    for (int field = 0; field < 3 && at != std::string_view::npos; ++field) {
      tag = at;
      at = line.find(' ', at);
      if (at != std::string_view::npos) ++at;
    }
    if (at != std::string_view::npos) {
      // Tag P: part of a line, its end is in the next one or never came.
      result.insert(0, std::string{line.substr(at)} + (line[tag] == 'P' ? "" : "\n"));
      ++lines;
      if (result.size() > message_log_bytes) return result.substr(result.size() - message_log_bytes);
    }
    if (begin == 0) break;
    end = begin;
  }
  return result;
}

} // namespace

instance_paths paths_of(const oci_settings& settings, const container_key& key, const std::string& id) {
  auto pod = paths_of(settings, key.pod_uid);
  instance_paths p;
  p.directory = pod.directory + "/containers/" + key.name + "/" + std::to_string(key.attempt);
  p.record = p.directory + "/state.json";
  p.config = p.directory + "/config.json";
  p.rootfs = p.directory + "/rootfs";
  p.upper = p.directory + "/upper";
  p.work = p.directory + "/work";
  p.pidfile = p.directory + "/pidfile";
  p.termination_log = p.directory + "/termination-log";
  p.pid_ns = p.directory + "/pid-ns";
  p.cgroup = pod.cgroup + "/" + id;
  return p;
}

std::string exit_directory(const oci_settings& settings) {
  return settings.run_root + "/exits";
}

std::string runtime_state_directory(const oci_settings& settings) {
  return settings.run_root + "/oci";
}

caf::error mount_rootfs(const std::vector<std::string>& layers, const instance_paths& paths) {
  if (is_overlay(paths.rootfs)) return {};
  if (layers.empty()) return make_error(errc::container_create, "the image has no layers");
  std::string lower;
  for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) {
    if (layer->find_first_of(":,\\") != std::string::npos)
      return make_error(errc::container_create,
                        "the layer directory " + *layer + " has ':', ',' or '\\' in its name");
    lower += (lower.empty() ? "" : ":") + *layer;
  }
  // volatile: nothing of a container's writable layer is worth a disk flush, and an umount without it costs
  // one.
  auto options = "lowerdir=" + lower + ",upperdir=" + paths.upper + ",workdir=" + paths.work + ",volatile";
  int failed = 0;
  if (options.size() > 4000)
    failed = mount_overlay_by_layer(layers, paths);
  else if (::mount("overlay", paths.rootfs.c_str(), "overlay", 0, options.c_str()) != 0)
    failed = errno;
  if (failed != 0) return errno_error("cannot mount the root file system at " + paths.rootfs, failed);
  return {};
}

namespace {

caf::error add_seccomp(boost::json::object& spec, const create_container& request,
                       const oci_settings& settings) {
  std::set<std::string> capabilities;
  for (auto& name : spec.at("process").at("capabilities").at("bounding").as_array())
    capabilities.emplace(name.as_string());
  auto filter = seccomp_of(request, settings, capabilities);
  if (!filter) return filter.error();
  if (!filter->empty()) spec.at("linux").as_object()["seccomp"] = std::move(*filter);
  return {};
}

} // namespace

caf::expected<instance_file> prepare_instance(const oci_settings& settings, const host_facts& host,
                                              const create_container& request, const sandbox_file& sandbox,
                                              const image_record& image, const target_process* target) {
  instance_file instance;
  instance.key = request.key;
  instance.id = random_id();
  instance.image = request.image;
  instance.image_id = request.image_id;
  instance.pod_name = sandbox.pod_name;
  instance.pod_namespace = sandbox.pod_namespace;
  instance.boot_id = boot_id();
  instance.created_ns = std::chrono::nanoseconds{std::chrono::system_clock::now().time_since_epoch()}.count();
  instance.tty = request.spec.tty;
  instance.stdin_ = request.spec.stdin_;
  instance.stdin_once = request.spec.stdin_once;
  instance.stop_signal = signal_number(image.config.stop_signal, SIGTERM);
  if (auto& own = request.spec.lifecycle_; own && !own->stop_signal.empty())
    instance.stop_signal = signal_number(own->stop_signal, instance.stop_signal);
  instance.termination_policy = request.spec.termination_message_policy;
  auto logs = log_directory(settings, sandbox.pod_namespace, sandbox.pod_name, sandbox.pod_uid) + "/"
              + request.key.name;
  instance.log_path = logs + "/" + std::to_string(request.key.attempt) + ".log";
  auto paths = paths_of(settings, request.key, instance.id);
  auto pod = paths_of(settings, request.key.pod_uid);
  std::error_code ec;
  fs::create_directories(logs, ec);
  if (ec) return errno_error("cannot make " + logs, ec.value());
  if (auto failed = make_directories(paths)) return failed;
  std::vector<std::string> layers;
  for (auto& layer : image.layers)
    layers.push_back(layer.directory.string());
  if (auto failed = mount_rootfs(layers, paths)) return failed;
  auto user =
      resolve_user(request.spec.security_context_, request.pod_security, image.config.user,
                   read_in_root(paths.rootfs, "/etc/passwd"), read_in_root(paths.rootfs, "/etc/group"));
  if (!user) {
    strip_instance(settings, instance);
    // Source: the kubelet's verifyRunAsNonRoot says whose container it is.
    if (code_of(user.error()) != errc::container_config) return user.error();
    return make_error(errc::container_config, message_of(user.error()) + " (pod: \"" + sandbox.pod_name + "_"
                                                  + sandbox.pod_namespace + "(" + sandbox.pod_uid
                                                  + ")\", container: " + request.key.name + ")");
  }
  if (auto failed = make_termination_log(paths.termination_log)) return failed;
  container_places places;
  places.rootfs = paths.rootfs;
  places.cgroup = paths.cgroup;
  if (!sandbox.host_network) {
    places.net_ns = pod.net_ns;
    places.uts_ns = pod.uts_ns;
  }
  if (sandbox.shared_pid) places.pid_ns = pod.pid_ns;
  if (target) {
    if (auto failed = pin_process_namespace(*target, paths.pid_ns)) {
      strip_instance(settings, instance);
      return failed;
    }
    places.pid_ns = paths.pid_ns;
  }
  if (!sandbox.host_ipc) {
    places.ipc_ns = pod.ipc_ns;
    places.shm = pod.shm;
  } else {
    places.shm = "/dev/shm";
  }
  places.hosts = pod.hosts;
  places.hostname = pod.hostname;
  places.resolv_conf = pod.resolv_conf;
  places.termination_log = paths.termination_log;
  auto mounted = request;
  auto unmountable = prepare_mounts(paths, host, mounted);
  auto spec = unmountable ? caf::expected<boost::json::object>{unmountable}
                          : make_oci_spec(mounted, image.config, *user, host, places);
  auto failed = spec ? add_seccomp(*spec, request, settings) : spec.error();
  if (failed) {
    strip_instance(settings, instance);
    return failed;
  }
  failed = replace_file(paths.config, boost::json::serialize(*spec), 0600);
  if (!failed) failed = save_instance(settings, instance);
  if (failed) return failed;
  return instance;
}

caf::error save_instance(const oci_settings& settings, const instance_file& instance) {
  auto paths = paths_of(settings, instance.key, instance.id);
  return replace_file(paths.record, to_utf8(boost::json::serialize(to_json(instance))), 0600);
}

void unlink_launch_files(const oci_settings& settings, const instance_file& instance) {
  auto paths = paths_of(settings, instance.key, instance.id);
  for (auto* name : {"/pidfile", "/attach", "/ctl", "/winsz", "/exit", "/oom"})
    ::unlink((paths.directory + name).c_str());
  ::unlink((exit_directory(settings) + "/" + instance.id).c_str());
}

void strip_instance(const oci_settings& settings, const instance_file& instance) {
  auto paths = paths_of(settings, instance.key, instance.id);
  while (::umount2(paths.rootfs.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
  }
  release_mounts(paths);
  unpin(paths.pid_ns);
  for (auto* path : {&paths.rootfs, &paths.upper, &paths.work})
    remove_tree(*path);
  unlink_launch_files(settings, instance);
  ::unlink(paths.config.c_str()); // last: its absence says that all this is done
}

void remove_instance(const oci_settings& settings, const instance_file& instance, bool with_log) {
  strip_instance(settings, instance);
  auto paths = paths_of(settings, instance.key, instance.id);
  remove_tree(paths.directory);
  ::rmdir(fs::path{paths.directory}.parent_path().c_str()); // the container's, once its last instance is gone
  if (!with_log) return;
  ::unlink(instance.log_path.c_str());
  for (int i = 1; i < 100; ++i)
    if (::unlink((instance.log_path + "." + std::to_string(i)).c_str()) != 0) break;
}

std::string termination_message(const oci_settings& settings, const instance_file& instance) {
  auto paths = paths_of(settings, instance.key, instance.id);
  auto text = end_of_file(paths.termination_log, message_bytes);
  if (text.empty() && instance.termination_policy == "FallbackToLogsOnError" && instance.exit_code != 0)
    text = end_of_log(instance.log_path);
  return to_utf8(std::move(text)); // it may be any bytes, and be cut within a character
}

namespace {

/// Of instances that are not known to run: has their start begun?
void look_for_launches(const oci_settings& settings, found_records& found) {
  std::map<std::string, pid_t> conmons;
  bool looked = false;
  for (auto& one : found.instances) {
    if (one.file.phase != container_phase::created) continue;
    if (!std::exchange(looked, true)) conmons = find_conmons(settings);
    if (auto i = conmons.find(one.file.id); i != conmons.end()) one.conmon = i->second;
    std::error_code ec;
    one.launched = one.conmon > 0 || fs::exists(runtime_state_directory(settings) + "/" + one.file.id, ec)
                   || fs::exists(exit_directory(settings) + "/" + one.file.id, ec);
  }
}

} // namespace

found_records scan_records(const oci_settings& settings) {
  found_records found;
  auto boot = boot_id();
  std::error_code ec;
  auto read_record = [](const std::string& path, auto& out) {
    boost::system::error_code bad;
    auto value = boost::json::parse(read_small_file(path), bad);
    return !bad && from_json(value, out);
  };
  for (auto& pod : fs::directory_iterator(settings.root + "/pods", ec)) {
    auto directory = pod.path().string();
    sandbox_file sandbox;
    if (!read_record(directory + "/sandbox.json", sandbox)) {
      sandbox = {};
      sandbox.pod_uid = pod.path().filename(); // half made: known, so that it can be removed
    }
    found.sandboxes.push_back(sandbox);
    std::error_code none;
    for (auto& container : fs::directory_iterator(directory + "/containers", none))
      for (auto& attempt : fs::directory_iterator(container.path(), none)) {
        instance_file instance;
        if (read_record(attempt.path().string() + "/state.json", instance)) {
          if (instance.phase == container_phase::created && instance.boot_id != boot) {
            remove_instance(settings, instance, true); // never ran, and its mounts did not outlive the boot
            continue;
          }
          bool stripped =
              instance.phase == container_phase::exited && !fs::exists(attempt.path() / "config.json", none);
          found.instances.push_back({.file = std::move(instance), .stripped = stripped});
          continue;
        }
        instance = {};
        instance.key.pod_uid = pod.path().filename();
        instance.key.name = container.path().filename();
        auto number = attempt.path().filename().string();
        std::from_chars(number.data(), number.data() + number.size(), instance.key.attempt);
        remove_instance(settings, instance, false);
      }
  }
  look_for_launches(settings, found);
  return found;
}

} // namespace podium
