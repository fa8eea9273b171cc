#include "actors/pod_rules.hpp"

#include "actors/container_rules.hpp"
#include "actors/pod_resources.hpp"
#include "actors/restart_rules.hpp"

#include <algorithm>

namespace podium {
namespace {

struct counts {
  int running = 0, waiting = 0, stopped = 0, stopped_for_good = 0, succeeded = 0, unknown = 0;
};

counts count(const pod_spec& spec, const pod_memory& memory, const std::vector<container_status>& statuses) {
  counts n;
  for (auto& c : spec.containers) {
    auto s = std::find_if(statuses.begin(), statuses.end(), [&](auto& x) { return x.name.value == c.name; });
    if (s == statuses.end()) {
      ++n.unknown;
      continue;
    }
    auto policy = restart_policy_of(spec, c);
    auto known = memory.containers.find(c.name);
    auto comes_again = [&](int32_t exit_code) {
      return should_restart(policy, exit_code)
             || (known != memory.containers.end() && known->second.kill
                 && will_restart(policy, known->second));
    };
    if (s->state.running) {
      ++n.running;
    } else if (s->state.terminated) {
      ++n.stopped;
      if (s->state.terminated->exit_code == 0) ++n.succeeded;
      if (!comes_again(s->state.terminated->exit_code)) ++n.stopped_for_good;
    } else if (s->state.waiting && s->last_state.terminated) {
      ++n.stopped;
      if (!comes_again(s->last_state.terminated->exit_code)) ++n.stopped_for_good;
    } else if (s->state.waiting) {
      ++n.waiting;
    } else {
      ++n.unknown;
    }
  }
  return n;
}

bool terminal_phase(const std::string& phase) {
  return phase == "Succeeded" || phase == "Failed";
}

/// Go's print of a slice: `[a b]`.
std::string slice_text(const std::vector<std::string>& names) {
  std::string out = "[";
  for (auto& n : names)
    out += (out.size() > 1 ? " " : "") + n;
  return out + "]";
}

condition make_condition(std::string type, bool value, std::string reason = {}, std::string message = {}) {
  condition c;
  c.type = std::move(type);
  c.status = value ? "True" : "False";
  c.reason = std::move(reason);
  c.message = std::move(message);
  return c;
}

std::vector<condition> conditions_of(const pod_facts& facts, const pod_status& status) {
  std::vector<std::string> unready;
  for (auto& s : status.container_statuses)
    if (!s.ready) unready.push_back(s.name.value);
  auto& phase = status.phase;
  condition ready = make_condition("ContainersReady", unready.empty());
  if (phase == "Succeeded")
    ready = make_condition("ContainersReady", false, "PodCompleted");
  else if (phase == "Failed")
    ready = make_condition("ContainersReady", false, "PodFailed");
  else if (!unready.empty())
    ready = make_condition("ContainersReady", false, "ContainersNotReady",
                           "containers with unready status: " + slice_text(unready));
  auto pod_ready = ready;
  pod_ready.type = "Ready";
  return {make_condition("PodReadyToStartContainers", !facts.pod_ip.empty() && !facts.terminal),
          make_condition("Initialized", true, phase == "Succeeded" ? "PodCompleted" : ""), pod_ready, ready,
          make_condition("PodScheduled", true)};
}

} // namespace

std::string pod_phase_of(const pod_facts& facts, const std::vector<container_status>& statuses) {
  for (auto& known : {facts.memory->phase, facts.object->status.phase})
    if (terminal_phase(known)) return known;
  auto n = count(facts.object->spec, *facts.memory, statuses);
  if (facts.memory->reason == "DeadlineExceeded" || facts.memory->reason == "Evicted") return "Failed";
  if (n.waiting > 0) return facts.terminal ? "Failed" : "Pending";
  if (n.running > 0 && n.unknown == 0) return "Running";
  if (n.running == 0 && n.stopped > 0 && n.unknown == 0) {
    if (facts.terminal) return n.stopped == n.succeeded ? "Succeeded" : "Failed";
    if (n.stopped != n.stopped_for_good) return "Running";
    return n.stopped == n.succeeded ? "Succeeded" : "Failed";
  }
  return facts.terminal ? "Failed" : "Pending";
}

pod_status pod_status_of(const pod_facts& facts, wall_time now) {
  auto& spec = facts.object->spec;
  auto& memory = *facts.memory;
  pod_status out;
  for (auto& c : spec.containers) {
    auto i = memory.containers.find(c.name);
    out.container_statuses.push_back(status_of(c, i == memory.containers.end() ? nullptr : &i->second, true));
  }
  out.phase = pod_phase_of(facts, out.container_statuses);
  // Source: an end is published only when nothing can be running any more.
  if (terminal_phase(out.phase) && !facts.may_publish_terminal && !terminal_phase(facts.object->status.phase))
    out.phase = facts.object->status.phase.empty() ? "Pending" : facts.object->status.phase;
  else {
    out.reason = memory.reason;
    out.message = memory.message;
  }
  if (facts.terminal)
    for (auto& s : out.container_statuses) {
      if (s.state.terminated) continue;
      container_state_terminated lost;
      lost.exit_code = 137;
      lost.reason = "ContainerStatusUnknown";
      lost.message = "The container could not be located when the pod was terminated";
      s.state = {};
      s.state.terminated = lost;
      s.ready = false;
      s.started = false;
    }
  std::sort(out.container_statuses.begin(), out.container_statuses.end(),
            [](auto& a, auto& b) { return a.name.value < b.name.value; });
  out.host_ip = facts.host_ip;
  if (!facts.host_ip.empty()) out.host_ips = {{facts.host_ip}};
  out.pod_ip = facts.pod_ip;
  if (!facts.pod_ip.empty()) out.pod_ips = {{facts.pod_ip}};
  if (memory.start_time) out.start_time = memory.start_time->value;
  out.qos_class = qos_class_of(spec);
  out.conditions = conditions_of(facts, out);
  auto known = [&](const std::vector<condition>& list, const condition& c) -> const condition* {
    auto i = std::find_if(list.begin(), list.end(),
                          [&](auto& x) { return x.type == c.type && x.status == c.status; });
    return i == list.end() ? nullptr : &*i;
  };
  for (auto& c : out.conditions) {
    auto* before = known(memory.conditions, c);
    if (!before) before = known(facts.object->status.conditions, c);
    c.last_transition_time = before && before->last_transition_time ? before->last_transition_time : now;
  }
  return out;
}

int64_t effective_grace_of(const pod& p) {
  auto spec = p.spec.termination_grace_period_seconds.value_or(30);
  return std::max<int64_t>(1, p.metadata.deletion_grace_period_seconds.value_or(spec));
}

} // namespace podium
