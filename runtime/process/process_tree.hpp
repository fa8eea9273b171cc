// A process and all that came from it, as the kernel shows it under /proc.
#pragma once
#include <cstdint>
#include <sys/types.h>
#include <vector>

namespace podium {

/// What /proc/<pid>/stat says that cannot be forged by reusing a number.
struct process_facts {
  pid_t parent = 0;
  pid_t session = 0;
  char state = '?';         ///< 'Z' is a zombie
  uint64_t start_ticks = 0; ///< clock ticks after boot; with the pid it names a process for good
  bool exists = false;
  bool exiting = false; ///< it will run no more, though its pidfd may not say so yet
};
process_facts facts_of(pid_t pid);

/// The descendants of `root`, parents before children, `root` first.
std::vector<pid_t> descendants_of(pid_t root);

/// Ends `root` and its descendants with SIGKILL. They are stopped first, so that none can fork away; of
/// `suspects` (say, the processes of a container's cgroup) those die too that belong to a session of the
/// tree: a child whose parent has ended is no longer found as a descendant.
void kill_tree(pid_t root, const std::vector<pid_t>& suspects = {});

} // namespace podium
