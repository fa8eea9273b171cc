// A pod's containers: spawned once, respawned when they die, told what they are to do.
#include "actors/container.hpp"
#include "actors/pod.hpp"
#include "actors/pod_rules.hpp"
#include "actors/pod_tuning.hpp"

namespace podium {

void pod_supervisor::spawn_containers() {
  for (auto& c : containers_of(object_->as_pod().spec))
    if (!containers_[c.spec->name].actor) spawn_container(c.spec->name);
}

void pod_supervisor::spawn_container(const std::string& name) {
  auto actor = this->spawn<container>(ctx_, path() + "/" + name, caf::actor_cast<pod_actor>(this), parent_,
                                      object_, name, memory_.containers[name]);
  containers_[name] = {actor};
  adopt_child(actor, [this, name](const caf::error&) {
    containers_[name].actor = nullptr;
    spawn_container(name);
    judge();
    tell_containers();
  });
}

/// What all containers are told alike.
container_goal pod_supervisor::common_goal() const {
  container_goal goal;
  goal.pod = object_;
  goal.pod_ip = memory_.pod_ip;
  goal.deleting = gone() || memory_.terminating;
  goal.inputs = inputs_;
  goal.volumes = places_;
  if (memory_.terminating) {
    goal.cause = memory_.cause;
    // Source: the kubelet evicts a pod whose volume is too large with a grace of one second.
    bool at_once = removed_ || memory_.reason == "Evicted";
    goal.grace_seconds = at_once ? 1 : effective_grace_of(object_->as_pod());
  } else if (!lost_.empty()) {
    goal.cause = lost_;
    goal.grace_seconds = effective_grace_of(object_->as_pod());
  } else if (!orders_.reset.empty()) {
    // Source: pod-semantics §9: no preStop, and the minimum between the signals.
    goal.cause = orders_.reset;
    goal.grace_seconds = 0;
  }
  return goal;
}

void pod_supervisor::tell_containers(bool again) {
  auto goal = common_goal();
  auto words = [](auto... numbers) {
    std::string out;
    ((out += std::to_string(numbers), out += ' '), ...);
    return out;
  };
  auto common =
      words(object_->resource_version(), goal.deleting, goal.grace_seconds, inputs_version_) + goal.pod_ip;
  bool told = false;
  for (auto& [name, c] : containers_) {
    if (!c.actor) continue;
    auto order = orders_.containers[name];
    goal.wish = order.wish;
    goal.hold_signal = order.hold_signal;
    goal.round = round_of(memory_, name);
    auto text = to_string(goal.wish) + words(goal.hold_signal, goal.round) + common;
    if (!again && text == c.last_goal) continue;
    c.last_goal = std::move(text);
    c.settled = false; // until it answers this one
    c.goal = goal.number = ++goals_;
    told = true;
    this->send(c.actor, goal);
  }
  if (!told) return;
  // The safety net: a goal is answered by a report, so that neither can be lost for long.
  cancel(resync_);
  resync_ = after(ctx_->settings.resync, [this] {
    follow(true);
    tell_containers(true);
  });
}

bool pod_supervisor::reset_is_through() const {
  for (auto& c : containers_of(object_->as_pod().spec)) {
    if (c.kind == container_kind::ephemeral) continue;
    auto told = containers_.find(c.spec->name);
    if (told == containers_.end() || !told->second.settled) return false;
    auto known = memory_.containers.find(c.spec->name);
    if (known != memory_.containers.end() && known->second.current
        && known->second.current->phase != container_phase::exited)
      return false;
    // Told to stop, not just settled by itself before.
    if (!told->second.last_goal.starts_with(to_string(container_wish::stop))) return false;
  }
  return true;
}

void pod_supervisor::warn_of_tuning() {
  auto faults = tuning_of(object_->as_pod(), ctx_->settings.crash_loop).faults;
  if (faults == tuning_faults_) return;
  tuning_faults_ = faults;
  for (auto& fault : faults)
    event("Warning", "InvalidAnnotation", fault);
}

} // namespace podium
