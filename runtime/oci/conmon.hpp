// Starts one container below conmon, which outlives the daemon, writes the log and the exit code, and passes
// streams on.
#pragma once
#include "runtime/oci/instance_files.hpp"
#include "runtime/process/launcher.hpp"
#include <functional>
#include <map>
#include <memory>

namespace podium {

/// conmon's command line for an instance. Pure.
std::vector<std::string> conmon_command(const oci_settings& settings, const oci_runtime_program& program,
                                        const instance_file& instance);

/// What conmon says on its sync pipe: the container's pid, or why there is none.
struct conmon_report {
  int32_t pid = -1;
  std::string message;
};
/// Reads one line of it. Error: errc::container_start when it is not what conmon writes.
caf::expected<conmon_report> parse_conmon_report(std::string_view line);

struct conmon_started {
  pid_t conmon = 0;
  caf::expected<conmon_report> report;
};

/// The conmons on this machine by the ids of their containers, found in the process table. Blocks.
std::map<std::string, pid_t> find_conmons(const oci_settings& settings);

/// Runs conmon (its runtime's `create`). `created` is called once: with the report, or an error when conmon
/// could not run, ended or said nothing within settings.start_timeout. `ended` is called when conmon has
/// ended, after `created`, unless conmon could not be started at all. Loop thread.
void start_conmon(launcher& children, const oci_settings& settings, const oci_runtime_program& program,
                  const instance_file& instance, std::function<void(conmon_started)> created,
                  std::function<void()> ended);

} // namespace podium
