// One view of cgroup v1, v2 and the hybrid of both: parents for pods, counters, evidence of the OOM killer,
// removal.
#pragma once
#include <caf/expected.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace podium {

struct cgroup_limits {
  int64_t cpu_shares = 2;
  int64_t cpu_quota_us = 0;       ///< for a period of 100 ms; 0 is no limit
  int64_t memory_limit_bytes = 0; ///< 0 is no limit
};

struct cgroup_usage {
  int64_t cpu_ns = 0;
  int64_t memory_bytes = 0;             ///< all that is charged
  int64_t memory_working_set_bytes = 0; ///< without the file cache that can be dropped
  int64_t processes = 0;
};

/// Paths are absolute below the hierarchy's root ("/podium/pod<uid>/<container id>"). Calls are a few system
/// calls each and may be made on the loop thread, but for remove(), which may wait.
class cgroup_tree {
public:
  enum class layout { v1, hybrid, v2 };
  /// Looks at what is mounted below `root`. Errors: errc::unavailable when there is no cgroup hierarchy.
  static caf::expected<cgroup_tree> detect(const std::string& root = "/sys/fs/cgroup");

  layout kind() const { return kind_; }
  /// Makes the cgroup in every hierarchy and sets its limits. Idempotent.
  caf::error create(const std::string& path, const cgroup_limits& limits) const;
  /// Moves a process into the cgroup in every hierarchy. Error: errc::io.
  caf::error attach(const std::string& path, pid_t pid) const;
  /// How often the OOM killer struck in the cgroup (0 when it does not exist): read before it is removed.
  int64_t oom_kills(const std::string& path) const;
  cgroup_usage usage(const std::string& path) const;
  /// What all processes of the machine use. Nothing when it cannot be read.
  std::optional<cgroup_usage> machine_usage() const;
  /// The processes in the cgroup and below it.
  std::vector<pid_t> processes(const std::string& path) const;
  /// Sends SIGKILL to all of them; they are frozen meanwhile, so that none can fork away.
  void kill_all(const std::string& path) const;
  /// Removes the cgroup and those below it; kills what is left inside. A cgroup that does not exist is
  /// removed. May wait up to two seconds for the dying. Error: errc::io.
  caf::error remove(const std::string& path) const;
  /// The cgroups directly below `path`, by name.
  std::vector<std::string> children(const std::string& path) const;
  bool exists(const std::string& path) const;

private:
  /// The directory of a v1 controller, or v2's one directory.
  std::string directory(const std::string& controller, const std::string& path) const;

  layout kind_ = layout::v2;
  std::string root_;
  std::vector<std::string> hierarchies_; ///< directories, each the root of one hierarchy
  std::vector<std::string> made_in_;     ///< those, and where a runtime may have made a cgroup by itself
};

} // namespace podium
