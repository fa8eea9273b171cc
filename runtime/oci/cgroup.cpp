#include "runtime/oci/cgroup.hpp"

#include "core/cgroup_formulas.hpp"
#include "core/error.hpp"
#include "runtime/oci/small_files.hpp"
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <thread>
#include <unistd.h>

namespace podium {

namespace fs = std::filesystem;

namespace {

constexpr long cgroup2_magic = 0x63677270;
constexpr long cgroup1_magic = 0x27e0eb;

long filesystem_of(const std::string& path) {
  struct statfs facts {};
  return ::statfs(path.c_str(), &facts) == 0 ? static_cast<long>(facts.f_type) : 0;
}

bool make_directories(const std::string& base, const std::string& path) {
  std::string at = base;
  for (size_t begin = 1; begin <= path.size();) {
    size_t end = std::min(path.find('/', begin), path.size());
    at += "/" + path.substr(begin, end - begin);
    if (::mkdir(at.c_str(), 0755) != 0 && errno != EEXIST) return false;
    begin = end + 1;
  }
  return true;
}

/// A number after `key ` in a file of "key number" lines.
int64_t field_of(const std::string& text, std::string_view key) {
  for (size_t begin = 0; begin < text.size();) {
    size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line{text.data() + begin, end - begin};
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == ' ')
      return std::atoll(line.data() + key.size() + 1);
    begin = end + 1;
  }
  return 0;
}

int64_t number_in(const std::string& path) {
  return std::atoll(read_small_file(path).c_str());
}

} // namespace

caf::expected<cgroup_tree> cgroup_tree::detect(const std::string& root) {
  cgroup_tree tree;
  tree.root_ = root;
  if (filesystem_of(root) == cgroup2_magic) {
    tree.kind_ = layout::v2;
    tree.hierarchies_ = tree.made_in_ = {root};
    return tree;
  }
  std::error_code ec;
  for (auto& entry : fs::directory_iterator(root, ec))
    if (!entry.is_symlink() && filesystem_of(entry.path()) == cgroup1_magic)
      tree.hierarchies_.push_back(entry.path());
  if (tree.hierarchies_.empty())
    return make_error(errc::unavailable, root + ": no cgroup hierarchy is mounted there");
  std::sort(tree.hierarchies_.begin(), tree.hierarchies_.end());
  bool unified = filesystem_of(root + "/unified") == cgroup2_magic;
  tree.kind_ = unified ? layout::hybrid : layout::v1;
  tree.made_in_ = tree.hierarchies_;
  // runc makes its containers' cgroups there, too, though no controller is.
  if (unified) tree.made_in_.push_back(root + "/unified");
  return tree;
}

std::string cgroup_tree::directory(const std::string& controller, const std::string& path) const {
  if (kind_ == layout::v2) return root_ + path;
  return root_ + "/" + controller + path;
}

caf::error cgroup_tree::create(const std::string& path, const cgroup_limits& limits) const {
  for (auto& base : hierarchies_) {
    // A cpuset without cpus and memory nodes refuses processes; the kernel copies the parent's when asked to.
    if (base.ends_with("/cpuset")) write_small_file(base + "/cgroup.clone_children", "1");
    if (kind_ == layout::v2) {
      // Controllers must be handed down at each step before the child can have limits.
      std::string at;
      for (size_t end = 0; end != std::string::npos; end = path.find('/', end + 1)) {
        at = path.substr(0, end);
        if (!make_directories(base, at)) return errno_error(base + at, errno);
        for (auto* controller : {"+cpu", "+memory", "+pids", "+cpuset", "+io"})
          write_small_file(base + at + "/cgroup.subtree_control", controller);
      }
    }
    if (!make_directories(base, path)) return errno_error("cannot make the cgroup " + base + path, errno);
  }
  auto quota = limits.cpu_quota_us > 0 ? std::to_string(limits.cpu_quota_us) : std::string{};
  auto memory = limits.memory_limit_bytes > 0 ? std::to_string(limits.memory_limit_bytes) : std::string{};
  if (kind_ == layout::v2) {
    write_small_file(root_ + path + "/cpu.weight", std::to_string(cpu_weight_of(limits.cpu_shares)));
    write_small_file(root_ + path + "/cpu.max",
                     (quota.empty() ? "max" : quota) + " " + std::to_string(cpu_period_us));
    write_small_file(root_ + path + "/memory.max", memory.empty() ? "max" : memory);
    return {};
  }
  write_small_file(directory("cpu", path) + "/cpu.shares", std::to_string(limits.cpu_shares));
  write_small_file(directory("cpu", path) + "/cpu.cfs_period_us", std::to_string(cpu_period_us));
  write_small_file(directory("cpu", path) + "/cpu.cfs_quota_us", quota.empty() ? "-1" : quota);
  write_small_file(directory("memory", path) + "/memory.use_hierarchy", "1");
  write_small_file(directory("memory", path) + "/memory.limit_in_bytes", memory.empty() ? "-1" : memory);
  return {};
}

caf::error cgroup_tree::attach(const std::string& path, pid_t pid) const {
  for (auto& base : hierarchies_)
    if (!write_small_file(base + path + "/cgroup.procs", std::to_string(pid)))
      return errno_error("cannot move a process into " + base + path, errno);
  return {};
}

int64_t cgroup_tree::oom_kills(const std::string& path) const {
  if (kind_ == layout::v2) return field_of(read_small_file(root_ + path + "/memory.events"), "oom_kill");
  return field_of(read_small_file(directory("memory", path) + "/memory.oom_control"), "oom_kill");
}

cgroup_usage cgroup_tree::usage(const std::string& path) const {
  cgroup_usage usage;
  int64_t inactive_file = 0;
  if (kind_ == layout::v2) {
    usage.cpu_ns = field_of(read_small_file(root_ + path + "/cpu.stat"), "usage_usec") * 1000;
    usage.memory_bytes = number_in(root_ + path + "/memory.current");
    inactive_file = field_of(read_small_file(root_ + path + "/memory.stat"), "inactive_file");
    usage.processes = number_in(root_ + path + "/pids.current");
  } else {
    usage.cpu_ns = number_in(directory("cpuacct", path) + "/cpuacct.usage");
    usage.memory_bytes = number_in(directory("memory", path) + "/memory.usage_in_bytes");
    inactive_file =
        field_of(read_small_file(directory("memory", path) + "/memory.stat"), "total_inactive_file");
    usage.processes = number_in(directory("pids", path) + "/pids.current");
  }
  usage.memory_working_set_bytes = std::max<int64_t>(usage.memory_bytes - inactive_file, 0);
  return usage;
}

std::optional<cgroup_usage> cgroup_tree::machine_usage() const {
  auto out = usage("");
  if (kind_ == layout::v2) {
    // The root of v2 has no memory.current: the rest of what is free, as the kubelet counts it.
    auto text = read_small_file("/proc/meminfo");
    std::string plain; // "MemTotal:   123 kB" as "MemTotal 123 kB"
    for (char c : text)
      if (c == ':')
        continue;
      else if (c != ' ' || plain.empty() || plain.back() != ' ')
        plain += c;
    auto inactive_file = field_of(read_small_file(root_ + "/memory.stat"), "inactive_file");
    out.memory_bytes = (field_of(plain, "MemTotal") - field_of(plain, "MemFree")) * 1024;
    out.memory_working_set_bytes = std::max<int64_t>(out.memory_bytes - inactive_file, 0);
  }
  if (out.cpu_ns == 0 && out.memory_bytes == 0) return {};
  return out;
}

std::vector<pid_t> cgroup_tree::processes(const std::string& path) const {
  std::vector<pid_t> result;
  // Any hierarchy will do on v1: the runtime puts a container's processes into all of them.
  std::string base = directory("memory", path);
  std::string text = read_small_file(base + "/cgroup.procs");
  for (const char* p = text.c_str(); *p != '\0';) {
    char* end = nullptr;
    auto pid = std::strtol(p, &end, 10);
    if (end == p) break;
    if (pid > 0) result.push_back(static_cast<pid_t>(pid));
    p = end;
  }
  for (auto& child : children(path)) {
    auto below = processes(path + "/" + child);
    result.insert(result.end(), below.begin(), below.end());
  }
  return result;
}

std::vector<std::string> cgroup_tree::children(const std::string& path) const {
  std::vector<std::string> result;
  std::error_code ec;
  for (auto& entry : fs::directory_iterator(directory("memory", path), ec))
    if (entry.is_directory(ec)) result.push_back(entry.path().filename());
  std::sort(result.begin(), result.end());
  return result;
}

bool cgroup_tree::exists(const std::string& path) const {
  return std::any_of(hierarchies_.begin(), hierarchies_.end(),
                     [&](auto& base) { return ::access((base + path).c_str(), F_OK) == 0; });
}

void cgroup_tree::kill_all(const std::string& path) const {
  if (kind_ == layout::v2) {
    if (write_small_file(root_ + path + "/cgroup.kill", "1")) return;
    write_small_file(root_ + path + "/cgroup.freeze", "1");
  } else {
    write_small_file(directory("freezer", path) + "/freezer.state", "FROZEN");
  }
  for (auto pid : processes(path))
    ::kill(pid, SIGKILL);
  if (kind_ == layout::v2)
    write_small_file(root_ + path + "/cgroup.freeze", "0");
  else
    write_small_file(directory("freezer", path) + "/freezer.state", "THAWED");
}

caf::error cgroup_tree::remove(const std::string& path) const {
  if (path.size() < 2 || path.find("..") != std::string::npos)
    return make_error(errc::invalid, "refusing to remove the cgroup '" + path + "'");
  int failed = 0;
  for (int round = 0; round < 200; ++round) {
    failed = 0;
    for (auto& base : made_in_) {
      std::vector<std::string> directories{base + path};
      std::error_code ec;
      for (auto& entry : fs::recursive_directory_iterator(base + path, ec))
        if (entry.is_directory(ec)) directories.push_back(entry.path());
      std::sort(directories.begin(), directories.end(), [](auto& a, auto& b) { return a.size() > b.size(); });
      for (auto& directory : directories)
        if (::rmdir(directory.c_str()) != 0 && errno != ENOENT) failed = errno;
    }
    if (failed == 0) return {};
    // Dead processes leave their cgroup a moment after their exit was seen.
    kill_all(path);
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
  return errno_error("cannot remove the cgroup " + path, failed);
}

} // namespace podium
