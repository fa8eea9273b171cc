// Starts one child process, fast (shared memory until exec) and with a pidfd, so that it can never be
// mistaken for another.
#pragma once
#include "runtime/process/unique_fd.hpp"
#include <caf/expected.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace podium {

/// What to run and what the child inherits. Every other descriptor of this process must be close-on-exec.
struct spawn_request {
  std::vector<std::string> argv; ///< argv[0] is a path, or a name that is looked for in this process's PATH
  std::vector<std::string> env;  ///< the whole environment, "NAME=value"
  std::string cwd;               ///< empty: this process's
  int stdin_fd = -1;             ///< -1: /dev/null; likewise the next two
  int stdout_fd = -1;
  int stderr_fd = -1;
  /// Further descriptors: (number here, number there). Numbers there start at 3.
  std::vector<std::pair<int, int>> fds;
  bool die_with_parent = false;      ///< killed when the thread that spawns it ends, however that ends
  std::optional<int> oom_score_adj;  ///< raised only; what the kernel refuses is ignored
  std::optional<uint64_t> max_files; ///< RLIMIT_NOFILE, soft and hard; clamped to this process's hard limit
};

struct spawned_process {
  pid_t pid = 0;
  unique_fd pidfd;
};

/// Starts the child in a session of its own with default signal handling. Blocks until it runs its program
/// (well under a millisecond). Errors: errc::not_found when the program does not exist, errc::io for
/// everything else.
caf::expected<spawned_process> spawn_process(const spawn_request& request);

/// `name` itself when it is a path, else the first executable of that name in this process's PATH; empty when
/// there is none.
std::string find_program(const std::string& name);

/// This process's environment as "NAME=value" strings, without the variables named in `without`.
std::vector<std::string> current_environment(const std::vector<std::string>& without = {});

/// Opens a descriptor that stands for a process and becomes readable when it ends. Errors: errc::not_found.
caf::expected<unique_fd> open_pidfd(pid_t pid);

/// Both ends of a pipe, close-on-exec: first is read, second is written.
caf::expected<std::pair<unique_fd, unique_fd>> make_pipe();

} // namespace podium
