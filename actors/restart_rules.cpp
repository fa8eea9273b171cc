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

restart_terms restart_terms_of(const pod_spec& pod, const found_container& container) {
  if (container.kind == container_kind::ephemeral) return {"Never", nullptr};
  auto& own = container.spec->restart_policy;
  if (own && !own->empty()) return {*own, &container.spec->restart_policy_rules};
  auto policy = pod.restart_policy.empty() ? "Always" : pod.restart_policy;
  if (container.kind == container_kind::init && policy == "Always") policy = "OnFailure";
  return {policy, nullptr};
}

restart_action action_after(const restart_terms& terms, int32_t exit_code) {
  if (terms.rules)
    for (auto& rule : *terms.rules) {
      if (!rule.exit_codes) continue;
      auto& values = rule.exit_codes->values;
      bool named = std::find(values.begin(), values.end(), exit_code) != values.end();
      if (named != (rule.exit_codes->operator_ == "In")) continue;
      return rule.action == "RestartAllContainers" ? restart_action::restart_all : restart_action::restart;
    }
  bool again = terms.policy == "Always" || (terms.policy == "OnFailure" && exit_code != 0);
  return again ? restart_action::restart : restart_action::none;
}

restart_action next_action(const restart_terms& terms, const container_memory& m, uint32_t round) {
  if (!m.current || m.current->phase != container_phase::exited) return restart_action::restart;
  if (m.current->round < round) return restart_action::restart;
  // Source: pod-semantics §3.1.4. A changed container is replaced whatever its policy; one that failed a
  // probe unless Never. A failed postStart hook only kills: what comes then is the exit code's word (§3.2).
  auto why = m.kill ? std::string_view{m.kill->reason} : std::string_view{};
  if (why == "spec") return restart_action::restart;
  if ((why == "liveness" || why == "startup") && terms.policy != "Never") return restart_action::restart;
  return action_after(terms, m.current->exit_code);
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
