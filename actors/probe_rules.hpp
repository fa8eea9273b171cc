// When a probe runs and what its results change. Pure. Source: pod-semantics §1.2 (the prober's worker).
#pragma once
#include "messages/lifecycle.hpp"

namespace podium {

enum class probe_tick : uint8_t {
  nothing, ///< this tick passes
  run,     ///< run the probe now
  end,     ///< the worker is done for good
};

struct probe_tick_decision {
  probe_tick what = probe_tick::nothing;
  bool changed = false; ///< the memory was changed: report it
};

/// Judges one tick; may store an initial or forced result in `memory`.
probe_tick_decision decide_probe_tick(probe_kind kind, const probe_spec& spec, const probe_target& target,
                                      wall_time now, probe_memory& memory);

/// Counts one result; true when `memory.stored` was written. An error is thrown away.
bool apply_probe_result(probe_kind kind, const probe_spec& spec, probe_verdict verdict, probe_memory& memory);

/// When a tick that is due at `when` comes: probes of one period share a grid of a twentieth of it, so that
/// counted from `zero`, so that a quiet node wakes up for many of them at once. At most that much later; a
/// tick on the grid stays, and with it all that follow by the period.
clock_time on_probe_grid(clock_time when, nanoseconds period, clock_time zero);

/// `Liveness`, `Readiness`, `Startup`: how events call a probe.
std::string probe_title(probe_kind kind);

} // namespace podium
