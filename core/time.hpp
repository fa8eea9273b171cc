// Wall-clock timestamps as Kubernetes writes them, and durations as Go prints them.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace podium {

using std::chrono::nanoseconds;

/// A point of the actor clock: monotonic, virtual in simulation.
using clock_time = std::chrono::steady_clock::time_point;
/// A point of wall time, UTC, nanoseconds.
using wall_time = std::chrono::time_point<std::chrono::system_clock, nanoseconds>;

/// metav1.Time: RFC 3339 with whole seconds, `2026-01-02T03:04:05Z`.
std::string to_rfc3339(wall_time t);
/// metav1.MicroTime: `2026-01-02T03:04:05.000006Z`.
std::string to_rfc3339_micro(wall_time t);
/// RFC 3339 with nanoseconds, trailing zeros kept, as log lines carry it.
std::string to_rfc3339_nano(wall_time t);
/// Reads RFC 3339 with any fraction and offset. Empty when `text` is none.
std::optional<wall_time> parse_rfc3339(std::string_view text);

/// A duration as Go prints it: `10s`, `1m20s`, `1.5s`, `300ms`, `0s`.
std::string to_go_duration(nanoseconds d);
/// Reads a Go duration (`300ms`, `-1.5h`, `2h45m`). Empty when `text` is none.
std::optional<nanoseconds> parse_go_duration(std::string_view text);
/// The age kubectl shows: `45s`, `3m20s`, `2h5m`, `3d4h`, `2y30d`; `<invalid>` below -1 s.
std::string to_human_duration(nanoseconds d);

/// Turns actor time into wall time: the one place where they meet. Live, the runtime moves the offset when
/// the wall clock is stepped; in simulation it is constant.
class epoch_clock {
public:
  explicit epoch_clock(nanoseconds offset = nanoseconds{0}) : offset_(offset.count()) {}
  /// Wall time at actor time `t`.
  wall_time at(clock_time t) const {
    return wall_time{t.time_since_epoch() + nanoseconds{offset_.load(std::memory_order_relaxed)}};
  }
  /// Actor time of wall time `t`, for deadlines that were stored.
  clock_time to_clock(wall_time t) const {
    return clock_time{t.time_since_epoch() - nanoseconds{offset_.load(std::memory_order_relaxed)}};
  }
  void set_offset(nanoseconds offset) { offset_.store(offset.count(), std::memory_order_relaxed); }

private:
  std::atomic<int64_t> offset_;
};

} // namespace podium
