// Command lines for `crun exec`, and how its own failures are told from those of the command it runs.
#pragma once
#include "runtime/oci/oci_settings.hpp"
#include "runtime/process/unique_fd.hpp"
#include <caf/expected.hpp>
#include <optional>
#include <string>
#include <vector>

namespace podium {

/// The runtime logs its own errors to this descriptor, so that they are never taken for the command's output.
constexpr int exec_error_fd = 3;
/// The runtime reads from here what to run.
constexpr int exec_process_fd = 5;

struct exec_options {
  bool tty = false;
  std::string console_socket; ///< path of a listening socket that gets the terminal; needed with tty
};
std::vector<std::string> exec_arguments(const oci_runtime_program& program,
                                        const std::string& state_directory, const std::string& container_id,
                                        const exec_options& options);

/// What the runtime is to run: the container's own process with another command.
struct exec_process {
  unique_fd file;                   ///< in memory, for exec_process_fd
  std::optional<int> oom_score_adj; ///< of the container; the runtime itself must have it to pass it on
};
/// With the container's user, groups, capabilities, environment and directory (without such a file the
/// runtime takes root). `bundle` is the container's directory. Errors: errc::not_found, errc::io.
caf::expected<exec_process> make_exec_process(const std::string& bundle,
                                              const std::vector<std::string>& command, bool tty);

/// What the runtime itself needs; the command gets its container's environment.
std::vector<std::string> exec_environment();

/// A runtime's error in the words of Kubernetes' own: exec: "x": executable file not found in $PATH.
std::string plain_runtime_error(std::string text);

/// A file in memory for those errors.
caf::expected<unique_fd> make_error_file();
/// What the runtime wrote there: empty when it ran the command.
std::string exec_error(const unique_fd& file);

} // namespace podium
