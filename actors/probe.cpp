#include "actors/probe.hpp"

#include "actors/container_rules.hpp"
#include "actors/probe_rules.hpp"

namespace podium {
namespace {

// A probe that could not be run is tried again at once, so often in all within one tick. Source:
// pod-semantics §0 and §1.2.11 (the prober's maxProbeRetries).
constexpr int max_tries = 3;

nanoseconds seconds_or(int32_t value, int32_t fallback) {
  return std::chrono::seconds{value > 0 ? value : fallback};
}

} // namespace

probe::probe(caf::actor_config& cfg, node_context_ptr ctx, std::string path, container_actor container,
             object_ref pod, std::string container_name, probe_kind kind, probe_spec spec,
             probe_memory memory)
    : base_actor(cfg, ctx->env, std::move(path)), ctx_(std::move(ctx)), container_(std::move(container)),
      pod_(std::move(pod)), container_name_(std::move(container_name)), kind_(kind), spec_(std::move(spec)),
      random_(ctx_->env->stream(this->path())), memory_(std::move(memory)) {}

void probe::on_start() {
  running_ = false;
  tick_missed_ = false;
  ++question_;
  // The message that it broke at may have been its target: a report of nothing asks for it. Not at once,
  // should it be the target that breaks it.
  if (std::exchange(up_, true))
    after(std::chrono::seconds{1}, [this] {
      if (container_) this->send(container_, probe_report{kind_, {}, {}});
    });
  if (over_) return;
  // Probes of a node that just came up are spread over their period; later ones tick at once.
  auto spread = now() - ctx_->started_at < period();
  arm_tick(spread ? some_of_the_period() : nanoseconds{0});
}

nanoseconds probe::some_of_the_period() {
  return nanoseconds{static_cast<int64_t>(random_.below(static_cast<uint64_t>(period().count())))};
}

nanoseconds probe::period() const {
  return target_.period.count() > 0 ? target_.period : seconds_or(spec_.period_seconds, 10);
}

void probe::ended() {
  container_ = nullptr;
}

probe::behavior_type probe::handlers() {
  return {[this](const probe_target& target) {
    bool came_up = target.running && target.started
                   && !(target_.running && target_.started && target_.container_id == target.container_id);
    bool instance_changed = target.container_id != target_.container_id || target.running != target_.running;
    // The same again is a question: the container lost what this probe said.
    bool again = target.container_id == target_.container_id && target.running == target_.running
                 && target.started == target_.started && target.deleting == target_.deleting;
    if (again && !target.container_id.empty()) report({});
    bool faster = target.period != target_.period;
    target_ = target;
    // A container that had ended for good comes again with all of its pod.
    bool again_there = over_ && target_.running && target_.container_id != memory_.container_id;
    if (again_there) over_ = false;
    if (over_) return;
    if (again_there || (faster && !running_)) arm_tick(some_of_the_period());
    // A container that came up and is not ready is probed for it at once, and the ticks count from then.
    if (kind_ == probe_kind::readiness && came_up && memory_.stored != probe_verdict::success)
      arm_tick(nanoseconds{0});
    // A new instance, or an end, shows at once and not with the next tick.
    else if (instance_changed && !running_) {
      auto decision = decide_probe_tick(kind_, spec_, target_, wall_now(), memory_);
      if (decision.changed) report({});
      if (decision.what == probe_tick::end) over_ = true;
    }
  }};
}

void probe::arm_tick(nanoseconds delay) {
  on_grid_ = delay > nanoseconds{0};
  arm_tick_at(on_grid_ ? on_probe_grid(now() + delay, period(), ctx_->started_at) : now());
}

void probe::arm_tick_at(clock_time when) {
  cancel(next_tick_);
  tick_due_ = when;
  next_tick_ = at(when, [this] { tick(); });
}

void probe::tick() {
  // The schedule is kept: a tick that came late does not move those that follow, and what lies in the past by
  // then is left out.
  auto late = std::max(now() - tick_due_, nanoseconds{0});
  auto next = now() + (period() - late % period());
  arm_tick_at(std::exchange(on_grid_, true) ? next : on_probe_grid(next, period(), ctx_->started_at));
  look();
}

void probe::look() {
  if (running_ && now() >= given_up_at_) running_ = tick_missed_ = false;
  if (running_) {
    tick_missed_ = true;
    return;
  }
  auto decision = decide_probe_tick(kind_, spec_, target_, wall_now(), memory_);
  if (decision.changed) report({});
  if (decision.what == probe_tick::end) {
    over_ = true;
    cancel(next_tick_);
  } else if (decision.what == probe_tick::run) {
    run(max_tries);
  }
}

void probe::run(int tries) {
  running_ = true;
  given_up_at_ = now() + seconds_or(spec_.timeout_seconds, 1) + std::chrono::seconds{10};
  auto id = target_.container_id;
  auto fresh = [this, question = ++question_] { return running_ && question == question_; };
  // The executor answers by its own deadline, and a tick finds a question that was lost: a time-out of the
  // request, set and cancelled for each probe, would wake the clock's thread twice for nothing.
  this->request(ctx_->prober, caf::infinite, run_probe{target_.key, target_.pod_ip, spec_})
      .then(
          [this, fresh, id, tries](const probe_outcome& outcome) {
            if (!fresh()) return;
            running_ = false;
            // What was asked of an instance that has ended says nothing of the next.
            if (id == target_.container_id && target_.running) {
              if (outcome.verdict == probe_verdict::error && tries > 1) return run(tries - 1);
              finished(outcome);
            }
            if (std::exchange(tick_missed_, false)) look();
          },
          [this, fresh](const caf::error&) {
            if (fresh()) running_ = tick_missed_ = false;
          });
}

void probe::finished(const probe_outcome& outcome) {
  auto event = [&](const char* reason, std::string text) {
    this->send(ctx_->recorder, pod_event(*ctx_, *pod_, container_name_, "Warning", reason, std::move(text)));
  };
  if (outcome.verdict == probe_verdict::failure)
    event("Unhealthy", probe_title(kind_) + " probe failed: " + outcome.output);
  else if (outcome.verdict == probe_verdict::error)
    event("Unhealthy",
          probe_title(kind_) + " probe errored and resulted in unknown state: " + outcome.output);
  else if (outcome.verdict == probe_verdict::warning)
    event("ProbeWarning", probe_title(kind_) + " probe warning: " + outcome.output);
  auto before = memory_.stored;
  bool stored = apply_probe_result(kind_, spec_, outcome.verdict, memory_);
  if (stored) memory_.output = brief(outcome.output);
  if (stored && (before != memory_.stored || memory_.on_hold)) report(outcome.output);
}

void probe::report(const std::string& output) {
  if (container_)
    this->send(container_, probe_report{kind_, {std::make_shared<const probe_memory>(memory_)}, output});
}

} // namespace podium
