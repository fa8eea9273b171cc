// Counters of cpu and memory: of containers by pod uid and name, and of the machine.
#pragma once
#include "runtime/oci/oci_runtime.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace podium {

/// What one container instance, or the machine, has used of cpu since its start, and its working set now.
struct usage_counter {
  std::string instance; ///< the container's id; "" for the machine
  int64_t cpu_ns = 0, working_set_bytes = 0;
};

struct counted_container {
  std::string pod_uid, name;
};

struct usage_counts {
  std::chrono::steady_clock::time_point at;
  std::optional<usage_counter> machine;
  std::vector<std::optional<usage_counter>> containers; ///< nothing for what does not run
};

/// Reads the files on the runtime's work pool. Loop thread only; must not outlive the runtime.
class usage_reader {
public:
  explicit usage_reader(oci_runtime& runtime) : runtime_(runtime) {}

  /// `done` is called on the loop thread, never from inside; with nothing read when the pool is full.
  void read(const std::vector<counted_container>& of, std::function<void(usage_counts)> done);

private:
  oci_runtime& runtime_;
};

} // namespace podium
