#include "api/printers.hpp"
#include "messages/pod.hpp"

#include <algorithm>

namespace podium::api {
namespace {

namespace json = boost::json;

constexpr column columns[] = {
    {"Name", "string", "name", "Name must be unique within a namespace."},
    {"Ready", "string", "", "The aggregate readiness state of this pod for accepting traffic."},
    {"Status", "string", "", "The aggregate status of the containers in this pod."},
    {"Restarts", "string", "", "The number of times the containers in this pod have been restarted."},
    {"Age", "string", "", "How long ago the pod was created."},
    {"IP", "string", "", "The pod's first address.", 1},
    {"Node", "string", "", "The node the pod is bound to.", 1},
    {"Nominated Node", "string", "", "The node that preemption makes room on for the pod.", 1},
    {"Readiness Gates", "string", "", "Conditions beyond the containers' that must hold for readiness.", 1},
};

const condition* find_condition(const pod& p, std::string_view type) {
  auto i = std::find_if(p.status.conditions.begin(), p.status.conditions.end(),
                        [&](auto& c) { return c.type == type; });
  return i == p.status.conditions.end() ? nullptr : &*i;
}

bool condition_true(const pod& p, std::string_view type) {
  auto* c = find_condition(p, type);
  return c && c->status == "True";
}

struct restart_count {
  int64_t restarts = 0;
  std::optional<wall_time> last;

  void add(const container_status& c) {
    restarts += c.restart_count;
    if (auto& t = c.last_state.terminated; t && t->finished_at && (!last || *last < *t->finished_at))
      last = t->finished_at;
  }
};

std::string ended_reason(const container_state_terminated& t) {
  if (!t.reason.empty()) return t.reason;
  if (t.signal.value_or(0) != 0) return "Signal:" + std::to_string(*t.signal);
  return "ExitCode:" + std::to_string(t.exit_code);
}

/// What the columns Ready, Status and Restarts say.
struct pod_summary {
  std::string reason;
  int64_t ready = 0, total = 0;
  restart_count restarts;
};

bool is_restartable_init(const pod& p, const std::string& name) {
  return std::any_of(p.spec.init_containers.begin(), p.spec.init_containers.end(),
                     [&](auto& c) { return c.name == name && c.restart_policy == "Always"; });
}

/// Walks the init containers; true while the pod is initializing.
bool summarise_init(const pod& p, pod_summary& out, restart_count& sidecars) {
  size_t index = 0;
  for (auto& c : p.status.init_container_statuses) {
    bool restartable = is_restartable_init(p, c.name);
    out.restarts.add(c);
    if (restartable) sidecars.add(c);
    auto& t = c.state.terminated;
    if (t && t->exit_code == 0) {
      ++index;
      continue;
    }
    if (restartable && c.started.value_or(false)) {
      if (c.ready) ++out.ready;
      ++index;
      continue;
    }
    auto& w = c.state.waiting;
    if (t)
      out.reason = "Init:" + ended_reason(*t);
    else if (w && !w->reason.empty() && w->reason != "PodInitializing")
      out.reason = "Init:" + w->reason;
    else
      out.reason = "Init:" + std::to_string(index) + "/" + std::to_string(p.spec.init_containers.size());
    return true;
  }
  return false;
}

void summarise_containers(const pod& p, pod_summary& out) {
  bool has_running = false;
  std::string error;
  auto& statuses = p.status.container_statuses;
  for (auto c = statuses.rbegin(); c != statuses.rend(); ++c) { // the first container has the last word
    out.restarts.add(*c);
    if (c->state.waiting && !c->state.waiting->reason.empty())
      error = out.reason = c->state.waiting->reason;
    else if (c->state.terminated) {
      out.reason = ended_reason(*c->state.terminated);
      if (c->state.terminated->exit_code != 0) error = out.reason;
    } else if (c->ready && c->state.running) {
      has_running = true;
      ++out.ready;
    }
  }
  if (out.reason != "Completed") return;
  if (has_running && condition_true(p, "Ready"))
    out.reason = "Running";
  else if (!error.empty())
    out.reason = error;
  else if (has_running)
    out.reason = "NotReady";
}

pod_summary summarise(const pod& p) {
  pod_summary out;
  out.reason = p.status.reason.empty() ? p.status.phase : p.status.reason;
  if (auto* c = find_condition(p, "PodScheduled"); c && c->reason == "SchedulingGated")
    out.reason = c->reason;
  out.total = static_cast<int64_t>(p.spec.containers.size());
  for (auto& c : p.spec.init_containers)
    if (c.restart_policy == "Always") ++out.total;
  restart_count sidecars;
  bool initializing = summarise_init(p, out, sidecars);
  if (!initializing || condition_true(p, "Initialized")) {
    out.restarts = sidecars;
    summarise_containers(p, out);
  }
  if (p.metadata.deletion_timestamp) {
    if (p.status.reason == "NodeLost")
      out.reason = "Unknown";
    else if (p.status.phase != "Succeeded" && p.status.phase != "Failed")
      out.reason = "Terminating";
  }
  return out;
}

std::string or_none(const std::string& text) {
  return text.empty() ? "<none>" : text;
}

/// "<none>", or how many of the gates' conditions hold. Few pods have gates: the document is read for these
/// only.
std::string readiness_gates(const object& obj, const pod& p) {
  if (obj.json().find("\"readinessGates\":[") == std::string::npos) return "<none>";
  auto document = obj.document();
  auto* spec = document.as_object().if_contains("spec");
  auto* gates = spec && spec->is_object() ? spec->get_object().if_contains("readinessGates") : nullptr;
  if (!gates || !gates->is_array() || gates->get_array().empty()) return "<none>";
  size_t held = 0;
  for (auto& gate : gates->get_array()) {
    auto* type = gate.is_object() ? gate.get_object().if_contains("conditionType") : nullptr;
    if (type && type->is_string() && condition_true(p, type->get_string())) ++held;
  }
  return std::to_string(held) + "/" + std::to_string(gates->get_array().size());
}

json::array cells(const object& obj, wall_time now) {
  auto& p = obj.as_pod();
  auto s = summarise(p);
  auto restarts = std::to_string(s.restarts.restarts);
  if (s.restarts.restarts > 0 && s.restarts.last) restarts += " (" + age_cell(s.restarts.last, now) + " ago)";
  return {p.metadata.name,
          std::to_string(s.ready) + "/" + std::to_string(s.total),
          s.reason,
          restarts,
          age_cell(p.metadata.creation_timestamp, now),
          p.status.pod_ips.empty() ? "<none>" : or_none(p.status.pod_ips.front().ip),
          or_none(p.spec.node_name),
          or_none(p.status.nominated_node_name),
          readiness_gates(obj, p)};
}

json::array conditions(const object& obj) {
  auto& phase = obj.as_pod().status.phase;
  if (phase == "Succeeded")
    return {{{"type", "Completed"},
             {"status", "True"},
             {"reason", phase},
             {"message", "The pod has completed successfully."}}};
  if (phase == "Failed")
    return {{{"type", "Completed"}, {"status", "True"}, {"reason", phase}, {"message", "The pod failed."}}};
  return {};
}

} // namespace

const table_printer pod_printer{columns, cells, conditions};

} // namespace podium::api
