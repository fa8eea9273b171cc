#include "actors/scheduling_rules.hpp"

#include "actors/placement.hpp"

namespace podium {
namespace {

/// Few pods have them: only those that mention the word are looked at.
bool mentions(const object& pod, std::string_view word) {
  return pod.json().find(word) != std::string::npos;
}

} // namespace

const condition* scheduled_condition(const pod& p) {
  for (auto& c : p.status.conditions)
    if (c.type == "PodScheduled") return &c;
  return nullptr;
}

bool ours(const pod& p) {
  return p.spec.scheduler_name.empty() || p.spec.scheduler_name == scheduler_name;
}

bool gated(const object& pod) {
  return mentions(pod, "schedulingGates") && placement::is_gated(pod.document());
}

placement::pod_wants wants_of(const object& pod) {
  auto out = placement::wants_of(pod.as_pod().spec);
  if (mentions(pod, "nodeAffinity")) out.affinity = placement::node_affinity_of(pod.document());
  return out;
}

std::optional<boost::json::value> unschedulable_status(const object& pod, const std::string& why,
                                                       wall_time now) {
  auto& view = pod.as_pod();
  auto* shown = scheduled_condition(view);
  bool said = shown && shown->status == "False";
  if (said && shown->reason == "Unschedulable" && shown->message == why) return std::nullopt;
  auto since = said ? shown->last_transition_time.value_or(now) : now;
  auto document = pod.document();
  auto& status = document.as_object()["status"];
  if (!status.is_object()) status = boost::json::object{};
  auto& fields = status.get_object();
  if (view.status.phase.empty()) fields["phase"] = "Pending";
  boost::json::array conditions;
  if (auto* old = fields.if_contains("conditions"); old && old->is_array())
    for (auto& c : old->get_array())
      if (!c.is_object() || !c.get_object().contains("type") || c.get_object()["type"] != "PodScheduled")
        conditions.push_back(c);
  conditions.push_back({{"type", "PodScheduled"},
                        {"status", "False"},
                        {"lastProbeTime", nullptr},
                        {"lastTransitionTime", to_rfc3339(since)},
                        {"reason", "Unschedulable"},
                        {"message", why}});
  fields["conditions"] = std::move(conditions);
  return status;
}

} // namespace podium
