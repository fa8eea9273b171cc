#include "actors/restart_rules.hpp"

#include <algorithm>

namespace podium {
namespace {

/// The next delay, at most the largest: however long the first and large the factor, nothing overflows.
nanoseconds grown(nanoseconds delay, const back_off_settings& settings) {
  __extension__ using wide = __int128;
  auto next = static_cast<wide>(delay.count()) * settings.factor_thousandths / 1000;
  return next < settings.max.count() ? nanoseconds{static_cast<int64_t>(next)} : settings.max;
}

} // namespace

std::string restart_policy_of(const pod_spec& pod, const container_spec& container) {
  if (container.restart_policy && !container.restart_policy->empty()) return *container.restart_policy;
  return pod.restart_policy.empty() ? "Always" : pod.restart_policy;
}

bool should_restart(std::string_view policy, int32_t exit_code) {
  return policy == "Always" || (policy == "OnFailure" && exit_code != 0);
}

start_decision decide_restart(const back_off_settings& settings, wall_time finished_at, wall_time now,
                              back_off_memory& back_off) {
  bool fresh = back_off.delay.count() == 0 || finished_at - back_off.last_update.value > settings.reset;
  if (!fresh && now - finished_at < back_off.delay)
    return {false, finished_at + back_off.delay, back_off.delay};
  back_off.delay = fresh ? std::min(settings.first, settings.max) : grown(back_off.delay, settings);
  back_off.last_update = {now};
  return {true, now, back_off.delay};
}

nanoseconds next_pull_delay(const back_off_settings& settings, wall_time now, const pull_memory& pull) {
  bool fresh = pull.delay.count() == 0 || now - pull.failed_at.value > settings.reset;
  return fresh ? std::min(settings.first, settings.max) : grown(pull.delay, settings);
}

} // namespace podium
