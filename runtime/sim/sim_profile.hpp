// How a simulated container behaves: how long it runs, what it does on signals, what its commands and ports
// answer.
#pragma once
#include "core/time.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace podium {

/// Never ends by itself.
constexpr nanoseconds forever = nanoseconds::max();

/// One run of a container, from its start.
struct sim_run {
  nanoseconds duration = forever;
  int32_t exit_code = 0;
  bool oom = false;      ///< the kernel kills it: 137, OOMKilled
  std::string message{}; ///< the termination message
};

/// What a signal does. `ignored` wins.
struct sim_signal {
  nanoseconds delay{0};
  int32_t exit_code = 0;
  bool ignored = false;
};

/// What a command answers while the container's age is in [from, until).
struct sim_exec {
  std::string command = "*"; ///< glob over the words joined by spaces
  nanoseconds from{0}, until = forever;
  int32_t exit_code = 0;
  nanoseconds latency{0};
  std::string output{};
  std::string transport_error{}; ///< not "": the command cannot be run, the sentence says why
};

/// What a port answers while the container's age is in [from, until). Outside of all windows it is closed.
struct sim_port {
  int32_t port = 0; ///< 0 is every port
  nanoseconds from{0}, until = forever;
  std::string path = "*"; ///< glob over the path of an HTTP request, or the service of a gRPC health check;
                          ///< a TCP probe passes it over
  int32_t status = 200;   ///< of HTTP
  std::string health = "SERVING"; ///< what a gRPC health check gets; "": no gRPC server listens
  nanoseconds latency{0};
  std::string body{};
  std::string transport_error{}; ///< not "": the probe cannot be run, its result is thrown away
};

/// Commands that read `path` succeed while the file exists, for the container's age in [from, until).
std::vector<sim_exec> sim_file(const std::string& path, nanoseconds from = nanoseconds{0},
                               nanoseconds until = forever);

/// Everything about one kind of container. The default starts at once, runs until it is told to end and
/// answers every command with 0.
struct sim_profile {
  nanoseconds create_delay{0}, start_delay{0};
  int32_t fail_creates = 0;                  ///< how many first creations fail; -1 is all
  int32_t fail_starts = 0;                   ///< how many first starts fail; -1 is all
  std::string failure = "simulated failure"; ///< what those errors say
  std::vector<sim_run> runs{};               ///< by attempt; the last repeats; none is one that runs for ever
  /// By number; one without an entry ends the container at once with 128 + number (SIGCHLD and its like do
  /// nothing). SIGKILL cannot be ignored.
  std::map<int32_t, sim_signal> signals{};
  int32_t stop_signal = 15;      ///< what signal 0 stands for: the image's STOPSIGNAL
  std::vector<sim_exec> execs{}; ///< the first that fits answers; none: exit code 0
  std::vector<sim_port> ports{}; ///< the first that fits answers
  int64_t memory_bytes = 0;      ///< more than the container's limit: killed by the kernel at `memory_after`
  nanoseconds memory_after{0};
};

/// Profiles by pattern: a glob over the image, the container's name, or "namespace/pod/container". The latest
/// that fits counts, the default profile where none does.
class sim_profiles {
public:
  void set(std::string pattern, sim_profile profile);
  const sim_profile& find(std::string_view image, std::string_view pod_namespace, std::string_view pod_name,
                          std::string_view container) const;

private:
  std::vector<std::pair<std::string, sim_profile>> by_pattern_;
  sim_profile default_;
};

} // namespace podium
