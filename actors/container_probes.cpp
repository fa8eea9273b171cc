// A container's probes: spawned once, fed with what they must know, respawned when they die; and the report
// to the pod.
#include "actors/container.hpp"
#include "actors/pod_resources.hpp"
#include "actors/probe.hpp"
#include "actors/restart_rules.hpp"

namespace podium {

void container::spawn_probes() {
  // Source: pod-semantics §1.1: init containers have none.
  if (found_.kind == container_kind::init || found_.kind == container_kind::ephemeral) return;
  auto& s = spec();
  if (s.liveness_probe) spawn_probe(probe_kind::liveness, *s.liveness_probe);
  if (s.readiness_probe) spawn_probe(probe_kind::readiness, *s.readiness_probe);
  if (s.startup_probe) spawn_probe(probe_kind::startup, *s.startup_probe);
}

void container::spawn_probe(probe_kind kind, const probe_spec& wanted) {
  // A restart in place keeps its children.
  if (probes_[kind]) return;
  auto child = this->spawn<podium::probe>(
      ctx_, path() + "/" + to_string(kind), caf::actor_cast<container_actor>(this), goal_.pod, name_, kind,
      resolve_probe_ports(wanted, spec()), memory_.probes[to_string(kind)]);
  probes_[kind] = child;
  adopt_child(child, [this, kind, wanted](const caf::error&) {
    probes_[kind] = nullptr;
    spawn_probe(kind, wanted);
    tell_probes();
  });
}

void container::tell_probes() {
  if (probes_.empty()) return;
  compute_flags();
  probe_target target;
  target.key = key();
  target.pod_ip = goal_.pod_ip;
  target.deleting = goal_.deleting;
  if (memory_.current) {
    // One that is made and does not run yet has nothing to be probed: its coming up must not look like an
    // end.
    bool up = memory_.current->phase != container_phase::created && !in_post_start(memory_);
    if (up) target.container_id = memory_.current->container_id;
    target.running = running() && up;
    target.terminated = memory_.current->phase == container_phase::exited;
    target.started_at = memory_.current->started_at.value;
    target.restartable = goal_.wish != container_wish::stop
                         && next_action(terms(), memory_, goal_.round) != restart_action::none;
  }
  target.started = memory_.started;
  for (auto& [kind, actor] : probes_) {
    if (!actor) continue;
    target.period = tuning_.period_of(name_, kind);
    this->send(actor, target);
  }
}

void container::compute_flags() {
  // Source: pod-semantics §1.3.
  auto passed = [&](probe_kind kind) {
    auto i = memory_.probes.find(to_string(kind));
    return i != memory_.probes.end() && running() && i->second.container_id == memory_.current->container_id
           && i->second.stored == probe_verdict::success;
  };
  bool was_started = memory_.started;
  memory_.started =
      running() && !in_post_start(memory_) && (!spec().startup_probe || passed(probe_kind::startup));
  memory_.ready = memory_.started && (!spec().readiness_probe || passed(probe_kind::readiness));
  if (memory_.started != was_started) tell_probes();
}

void container::report() {
  auto now_known =
      boost::json::serialize(to_json(memory_)) + (settled_ ? "1" : "0") + std::to_string(goal_.number);
  if (now_known == last_report_ || !parent_) return;
  last_report_ = std::move(now_known);
  this->send(
      parent_,
      container_report{name_, {std::make_shared<const container_memory>(memory_)}, settled_, goal_.number});
}

void container::event(const char* type, const char* reason, std::string message) {
  this->send(ctx_->recorder, pod_event(*ctx_, *goal_.pod, name_, type, reason, std::move(message)));
}

} // namespace podium
