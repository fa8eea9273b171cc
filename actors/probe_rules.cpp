#include "actors/probe_rules.hpp"

namespace podium {
namespace {

/// What a probe that has not spoken of a new instance says of it.
std::optional<probe_verdict> initial_result(probe_kind kind) {
  switch (kind) {
  case probe_kind::liveness:
    return probe_verdict::success;
  case probe_kind::readiness:
    return probe_verdict::failure;
  case probe_kind::startup:
    break;
  }
  return {};
}

int32_t or_default(int32_t value, int32_t fallback) {
  return value > 0 ? value : fallback;
}

} // namespace

probe_tick_decision decide_probe_tick(probe_kind kind, const probe_spec& spec, const probe_target& target,
                                      wall_time now, probe_memory& memory) {
  if (target.container_id.empty()) return {};
  probe_tick_decision out;
  auto store = [&](std::optional<probe_verdict> verdict) {
    if (memory.stored == verdict) return;
    memory.stored = verdict;
    out.changed = true;
  };
  if (memory.container_id != target.container_id) {
    memory.container_id = target.container_id;
    memory.on_hold = false;
    out.changed = true;
    store(initial_result(kind));
  }
  if (memory.on_hold) return out;
  if (!target.running) {
    store(probe_verdict::failure);
    if (target.terminated && !target.restartable) out.what = probe_tick::end;
    return out;
  }
  if (target.deleting && kind != probe_kind::readiness) {
    store(probe_verdict::success);
    out.what = probe_tick::end;
    return out;
  }
  auto age = std::chrono::floor<std::chrono::seconds>(now - target.started_at);
  if (age.count() < spec.initial_delay_seconds) return out;
  // Startup probes end with the start; the others wait for it.
  if (target.started == (kind == probe_kind::startup)) return out;
  out.what = probe_tick::run;
  return out;
}

bool apply_probe_result(probe_kind kind, const probe_spec& spec, probe_verdict verdict,
                        probe_memory& memory) {
  if (verdict == probe_verdict::error) return false;
  if (verdict == probe_verdict::warning) verdict = probe_verdict::success;
  memory.run = memory.last == verdict ? memory.run + 1 : 1;
  memory.last = verdict;
  auto threshold = verdict == probe_verdict::failure ? or_default(spec.failure_threshold, 3)
                                                     : or_default(spec.success_threshold, 1);
  if (memory.run < threshold) return false;
  memory.stored = verdict;
  if (kind == probe_kind::startup || (kind == probe_kind::liveness && verdict == probe_verdict::failure)) {
    memory.on_hold = true;
    memory.run = 0;
  }
  return true;
}

clock_time on_probe_grid(clock_time when, nanoseconds period, clock_time zero) {
  auto step = period / 20;
  if (step <= nanoseconds{0} || when < zero) return when;
  auto past = (when - zero) % step;
  return past == nanoseconds{0} ? when : when + (step - past);
}

std::string probe_title(probe_kind kind) {
  auto name = to_string(kind);
  name[0] = static_cast<char>(name[0] - 'a' + 'A');
  return name;
}

} // namespace podium
