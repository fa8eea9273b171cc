// What the API needs to know of the cpu and memory that containers and the node use. Implemented over the
// kernel's counters; an API server without a node of its own has none.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace podium::api {

/// Counters of one container instance, or of the machine.
struct usage_counters {
  std::string instance;     ///< counters of different instances do not belong together
  int64_t cpu_ns = 0;       ///< since its start
  int64_t memory_bytes = 0; ///< the working set: what cannot be dropped
};

struct usage_target {
  std::string pod_uid, container;
  auto operator<=>(const usage_target&) const = default;
};

/// One look at the counters.
struct usage_reading {
  std::chrono::steady_clock::time_point at;
  std::optional<usage_counters> node;
  std::vector<std::optional<usage_counters>> containers; ///< as asked for; nothing for what does not run
};

/// Loop thread only.
class usage_source {
public:
  virtual ~usage_source() = default;
  /// The node that the counters are of.
  virtual const std::string& node_name() const = 0;
  /// Reads once; `done` is called on the loop thread, never from inside.
  virtual void read(std::vector<usage_target> targets, std::function<void(usage_reading)> done) = 0;
};

} // namespace podium::api
