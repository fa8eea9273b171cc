#include "actors/pod_rules.hpp"

#include "actors/container_order.hpp"
#include "actors/container_rules.hpp"
#include "actors/pod_resources.hpp"

#include <algorithm>

namespace podium {
namespace {

struct counts {
  int pending_init = 0, failed_init_for_good = 0, pending_sidecars = 0;
  int running = 0, regular_running = 0, waiting = 0, stopped = 0, stopped_for_good = 0, succeeded = 0,
      unknown = 0;
};

const container_status* find_status(const std::vector<container_status>& list, const std::string& name) {
  auto i = std::find_if(list.begin(), list.end(), [&](auto& x) { return x.name.value == name; });
  return i == list.end() ? nullptr : &*i;
}

/// The exit code a container is judged by: of its end, or of the one before what it waits for.
std::optional<int32_t> last_exit_of(const container_status& s) {
  if (s.state.terminated) return s.state.terminated->exit_code;
  if (s.state.waiting && s.last_state.terminated) return s.last_state.terminated->exit_code;
  return {};
}

void count_init(const container_status& s, bool comes_again, counts& n) {
  auto exit = last_exit_of(s);
  if (!exit)
    ++n.pending_init;
  else if (*exit != 0 && !comes_again)
    ++n.failed_init_for_good;
}

void count_sidecar(const container_status& s, counts& n) {
  if (s.state.running) {
    ++n.running;
    if (!s.started.value_or(false)) ++n.pending_sidecars;
  } else if (!last_exit_of(s)) {
    ++n.pending_sidecars;
    ++n.waiting;
  }
}

void count_regular(const container_status& s, bool comes_again, counts& n) {
  if (s.state.running) {
    ++n.running;
    ++n.regular_running;
  } else if (last_exit_of(s)) {
    ++n.stopped;
    // One that waits may still fail: it has not succeeded.
    if (s.state.terminated && s.state.terminated->exit_code == 0) ++n.succeeded;
    if (!comes_again) ++n.stopped_for_good;
  } else if (s.state.waiting) {
    ++n.waiting;
  } else {
    ++n.unknown;
  }
}

/// Source: pod-semantics §5.1.
counts count(const pod_spec& spec, const pod_memory& memory, const pod_status& status) {
  counts n;
  for (auto& c : containers_of(spec)) {
    if (c.kind == container_kind::ephemeral) continue;
    bool regular = c.kind == container_kind::regular;
    auto* s = find_status(regular ? status.container_statuses : status.init_container_statuses, c.spec->name);
    if (!s) {
      ++n.unknown;
      continue;
    }
    auto known = memory.containers.find(c.spec->name);
    bool comes_again =
        known == memory.containers.end()
        || next_action(restart_terms_of(spec, c), known->second, round_of(memory, c.spec->name))
               != restart_action::none;
    if (regular)
      count_regular(*s, comes_again, n);
    else if (c.kind == container_kind::sidecar)
      count_sidecar(*s, n);
    else
      count_init(*s, comes_again, n);
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

/// Whether the pod got past its init containers. Source: GeneratePodInitializedCondition.
bool any_regular_started(const pod_status& status) {
  return std::any_of(status.container_statuses.begin(), status.container_statuses.end(),
                     [](auto& s) { return s.state.running || s.state.terminated; });
}

condition initialized_condition(const pod_spec& spec, const pod_status& status) {
  if (status.phase == "Succeeded") return make_condition("Initialized", true, "PodCompleted");
  std::vector<std::string> incomplete;
  for (auto& c : containers_of(spec)) {
    auto* s = find_status(status.init_container_statuses, c.spec->name);
    bool through = !s || (c.kind == container_kind::sidecar ? s->started.value_or(false) : s->ready);
    if (!through) incomplete.push_back(c.spec->name);
  }
  if (incomplete.empty() || any_regular_started(status)) return make_condition("Initialized", true);
  return make_condition("Initialized", false, "ContainersNotInitialized",
                        "containers with incomplete status: " + slice_text(incomplete));
}

condition containers_ready_condition(const pod_spec& spec, const pod_status& status) {
  if (status.phase == "Succeeded") return make_condition("ContainersReady", false, "PodCompleted");
  if (status.phase == "Failed") return make_condition("ContainersReady", false, "PodFailed");
  std::vector<std::string> unready;
  for (auto& c : containers_of(spec)) {
    const container_status* s = nullptr;
    if (c.kind == container_kind::regular) s = find_status(status.container_statuses, c.spec->name);
    if (c.kind == container_kind::sidecar) s = find_status(status.init_container_statuses, c.spec->name);
    if (s && !s->ready) unready.push_back(c.spec->name);
  }
  if (unready.empty()) return make_condition("ContainersReady", true);
  return make_condition("ContainersReady", false, "ContainersNotReady",
                        "containers with unready status: " + slice_text(unready));
}

/// Source: GeneratePodReadyCondition. A gate is somebody else's condition of the object.
condition ready_condition(const pod& p, const condition& containers_ready) {
  auto out = containers_ready;
  out.type = "Ready";
  if (out.status != "True") return out;
  std::string missing;
  for (auto& gate : p.spec.readiness_gates) {
    auto& list = p.status.conditions;
    auto held =
        std::find_if(list.begin(), list.end(), [&](auto& c) { return c.type == gate.condition_type; });
    if (held != list.end() && held->status == "True") continue;
    missing += missing.empty() ? "" : ", ";
    missing += held == list.end() ? "corresponding condition of pod readiness gate \"" + gate.condition_type
                                        + "\" does not exist."
                                  : "the status of pod readiness gate \"" + gate.condition_type
                                        + "\" is not \"True\", but " + held->status;
  }
  return missing.empty() ? out : make_condition("Ready", false, "ReadinessGatesNotReady", missing);
}

/// Whether a rule RestartAllContainers has fired, and not all containers have ended for it yet.
bool restarts_all(const pod_facts& facts) {
  auto& memory = *facts.memory;
  return !facts.terminal && !memory.terminating
         && !order_containers(facts.object->spec, memory, pod_stage::ready).reset.empty();
}

bool has_restart_all_rule(const pod_spec& spec) {
  auto containers = containers_of(spec);
  return std::any_of(containers.begin(), containers.end(), [](auto& c) {
    auto& rules = c.spec->restart_policy_rules;
    return std::any_of(rules.begin(), rules.end(),
                       [](auto& r) { return r.action == "RestartAllContainers"; });
  });
}

/// Source: GenerateAllContainersRestartingCondition of Kubernetes 1.35.
condition all_restarting_condition(const pod_facts& facts, const pod_status& status) {
  constexpr auto type = "AllContainersRestarting";
  if (status.phase == "Succeeded") return make_condition(type, false, "PodCompleted");
  if (status.phase == "Failed") return make_condition(type, false, "PodFailed");
  if (!restarts_all(facts)) return make_condition(type, false);
  return make_condition(type, true, "RestartAllContainersStarted",
                        "container exited with restart policy rule");
}

std::vector<condition> conditions_of(const pod_facts& facts, const pod_status& status) {
  auto& p = *facts.object;
  auto containers_ready = containers_ready_condition(p.spec, status);
  std::vector<condition> out;
  if (facts.memory->reason == "Evicted")
    out.push_back(make_condition("DisruptionTarget", true, "TerminationByKubelet", facts.memory->message));
  for (auto& c : {make_condition("PodReadyToStartContainers", !facts.pod_ip.empty() && !facts.terminal),
                  initialized_condition(p.spec, status), ready_condition(p, containers_ready),
                  containers_ready, make_condition("PodScheduled", true)})
    out.push_back(c);
  if (has_restart_all_rule(p.spec)) out.push_back(all_restarting_condition(facts, status));
  return out;
}

/// The statuses of all containers, from what they are.
void add_container_statuses(const pod_facts& facts, pod_status& out) {
  auto& spec = facts.object->spec;
  auto& memory = *facts.memory;
  bool resets = restarts_all(facts);
  // Source: the kubelet's convertToAPIContainerStatuses.
  auto waiting = spec.init_containers.empty() ? "ContainerCreating" : "PodInitializing";
  for (auto& c : containers_of(spec)) {
    auto known = memory.containers.find(c.spec->name);
    auto s = status_of(c, known == memory.containers.end() ? nullptr : &known->second,
                       round_of(memory, c.spec->name), waiting);
    if (resets && s.state.terminated && c.kind != container_kind::ephemeral) {
      s.last_state = s.state;
      s.state = {};
      s.state.waiting = container_state_waiting{"RestartingAllContainers", ""};
      s.ready = false;
    }
    auto& list = c.kind == container_kind::regular     ? out.container_statuses
                 : c.kind == container_kind::ephemeral ? out.ephemeral_container_statuses
                                                       : out.init_container_statuses;
    list.push_back(std::move(s));
  }
}

/// What does not run when everything has ended, and showed no end, was lost. Source: the status manager's
/// TerminatePod: init containers behind the last that was ever begun, and regular ones of a pod that never
/// got past them, simply did not come.
void mark_lost(pod_status& out) {
  auto mark = [](container_status& s) {
    if (s.state.terminated) return;
    container_state_terminated lost;
    lost.exit_code = 137;
    lost.reason = "ContainerStatusUnknown";
    lost.message = "The container could not be located when the pod was terminated";
    s.state = {};
    s.state.terminated = lost;
    s.ready = false;
    if (s.started) s.started = false;
  };
  auto& init = out.init_container_statuses;
  bool initialized = init.empty() || any_regular_started(out)
                     || (init.back().state.terminated && init.back().state.terminated->exit_code == 0)
                     || (init.back().state.running && init.back().started.value_or(false));
  if (initialized) std::for_each(out.container_statuses.begin(), out.container_statuses.end(), mark);
  size_t begun = init.size();
  while (begun > 0 && init[begun - 1].state.waiting && !init[begun - 1].last_state.terminated)
    --begun;
  for (size_t i = 0; i < std::max<size_t>(begun, 1) && i < init.size(); ++i)
    mark(init[i]);
}

} // namespace

bool terminal(const pod& p) {
  return terminal_phase(p.status.phase);
}

std::string pod_phase_of(const pod_facts& facts, const pod_status& status) {
  for (auto& known : {facts.memory->phase, facts.object->status.phase})
    if (terminal_phase(known)) return known;
  auto n = count(facts.object->spec, *facts.memory, status);
  if (facts.memory->reason == "DeadlineExceeded" || facts.memory->reason == "Evicted") return "Failed";
  if (n.failed_init_for_good > 0) return "Failed";
  if (n.pending_init > 0 || (n.pending_sidecars > 0 && n.regular_running == 0) || n.waiting > 0)
    return facts.terminal ? "Failed" : "Pending";
  if (n.running > 0 && n.unknown == 0) return "Running";
  if (n.running == 0 && n.stopped > 0 && n.unknown == 0) {
    if (facts.terminal) return n.stopped == n.succeeded ? "Succeeded" : "Failed";
    if (n.stopped != n.stopped_for_good) return "Running";
    return n.stopped == n.succeeded ? "Succeeded" : "Failed";
  }
  return facts.terminal ? "Failed" : "Pending";
}

pod_status pod_status_of(const pod_facts& facts, wall_time now) {
  auto& memory = *facts.memory;
  pod_status out;
  add_container_statuses(facts, out);
  out.phase = pod_phase_of(facts, out);
  // Source: an end is published only when nothing can be running any more.
  if (terminal_phase(out.phase) && !facts.may_publish_terminal && !terminal_phase(facts.object->status.phase))
    out.phase = facts.object->status.phase.empty() ? "Pending" : facts.object->status.phase;
  else {
    out.reason = memory.reason;
    out.message = memory.message;
  }
  if (facts.terminal) mark_lost(out);
  auto by_name = [](auto& a, auto& b) { return a.name.value < b.name.value; };
  std::sort(out.container_statuses.begin(), out.container_statuses.end(), by_name);
  std::sort(out.ephemeral_container_statuses.begin(), out.ephemeral_container_statuses.end(), by_name);
  out.host_ip = facts.host_ip;
  if (!facts.host_ip.empty()) out.host_ips = {{facts.host_ip}};
  // One that has ended keeps showing the address that it had. Source: the kubelet's pleg, getPodIPs.
  bool over = facts.terminal || facts.memory->terminating;
  out.pod_ip = facts.pod_ip.empty() && over ? facts.last_ip : facts.pod_ip;
  if (!out.pod_ip.empty()) out.pod_ips = {{out.pod_ip}};
  if (memory.start_time) out.start_time = memory.start_time->value;
  out.qos_class = qos_class_of(facts.object->spec);
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

namespace {

/// Source: the kubelet's VolumeMountStatus of Kubernetes 1.31.
boost::json::array mounts_shown(const container_spec& spec) {
  boost::json::array out;
  for (auto& m : spec.volume_mounts) {
    boost::json::object shown{{"name", m.name}, {"mountPath", m.mount_path}};
    if (m.read_only) {
      auto wish = m.recursive_read_only.value_or("Disabled");
      shown["readOnly"] = true;
      shown["recursiveReadOnly"] = wish == "Disabled" ? "Disabled" : "Enabled";
    }
    out.push_back(std::move(shown));
  }
  return out;
}

} // namespace

boost::json::object status_document_of(const pod_spec& spec, const pod_status& status) {
  auto out = to_json(status).as_object();
  auto each = [&](const char* list, auto f) {
    auto* found = out.if_contains(list);
    if (found && found->is_array())
      for (auto& one : found->get_array())
        f(one.as_object());
  };
  for (auto* list : {"initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"})
    each(list, [&](boost::json::object& one) {
      auto container = find_container(spec, std::string{one.at("name").as_string()});
      auto mounts = container ? mounts_shown(*container.spec) : boost::json::array{};
      if (!mounts.empty()) one["volumeMounts"] = std::move(mounts);
    });
  each("conditions", [](boost::json::object& one) { one["lastProbeTime"] = nullptr; });
  return out;
}

int64_t effective_grace_of(const pod& p) {
  auto spec = p.spec.termination_grace_period_seconds.value_or(30);
  return std::max<int64_t>(1, p.metadata.deletion_grace_period_seconds.value_or(spec));
}

} // namespace podium
