// metrics.k8s.io: what nodes and containers use, measured when somebody asks.
#include "api/call.hpp"
#include "api/selection.hpp"
#include "core/quantity.hpp"
#include "messages/pod.hpp"

#include <algorithm>

namespace podium::api {
namespace {

namespace json = boost::json;

/// Nanocores as Kubernetes prints them: 1500000 is 1500u, 1000000000 is 1.
std::string cpu_text(int64_t nanocores) {
  static constexpr std::string_view suffixes[] = {"n", "u", "m", ""};
  size_t at = 0;
  while (at + 1 < std::size(suffixes) && nanocores % 1000 == 0) {
    nanocores /= 1000;
    ++at;
  }
  return nanocores == 0 ? "0" : std::to_string(nanocores) + std::string{suffixes[at]};
}

json::object usage_json(const usage_rate& used) {
  return {{"cpu", cpu_text(used.cpu_nanocores)},
          {"memory", quantity::of_bytes(used.memory_bytes).to_string()}};
}

/// kind, identity, labels, time and window: what both kinds of metrics begin with.
json::object head(const resource& r, const object& of, wall_time now, nanoseconds window) {
  json::object meta{{"name", of.key().name}, {"creationTimestamp", to_rfc3339(now)}};
  if (!of.key().ns.empty()) meta["namespace"] = of.key().ns;
  if (!of.meta().labels.empty()) {
    json::object labels;
    for (auto& [key, value] : of.meta().labels)
      labels[key] = value;
    meta["labels"] = std::move(labels);
  }
  auto whole = std::chrono::duration_cast<std::chrono::milliseconds>(window);
  return {{"kind", r.kind},
          {"apiVersion", r.group_version()},
          {"metadata", std::move(meta)},
          {"timestamp", to_rfc3339(now)},
          {"window", to_go_duration(whole)}};
}

object_ref as_object(const object& of, json::object document) {
  return {std::make_shared<const object>(of.key(), of.resource_version(), std::move(document))};
}

std::vector<usage_target> running_containers(const object& pod_object) {
  std::vector<usage_target> out;
  auto& status = pod_object.as_pod().status;
  for (auto* list : {&status.init_container_statuses, &status.container_statuses})
    for (auto& c : *list)
      if (c.state.running) out.push_back({pod_object.uid(), c.name});
  return out;
}

object_ref pod_metrics(const resource& r, const object& pod_object, const measured_usage& used,
                       wall_time now) {
  json::array containers;
  nanoseconds window{0};
  for (auto& target : running_containers(pod_object)) {
    auto i = used.containers.find(target);
    if (i == used.containers.end()) continue;
    window = std::max(window, i->second.window);
    containers.push_back({{"name", target.container}, {"usage", usage_json(i->second)}});
  }
  if (containers.empty()) return {};
  auto out = head(r, pod_object, now, window);
  out["containers"] = std::move(containers);
  return as_object(pod_object, std::move(out));
}

object_ref node_metrics(const resource& r, const object& node_object, const measured_usage& used,
                        wall_time now) {
  if (!used.node) return {};
  auto out = head(r, node_object, now, used.node->window);
  out["usage"] = usage_json(*used.node);
  return as_object(node_object, std::move(out));
}

/// The objects that are to be measured: pods and nodes as the registry has them.
std::vector<object_ref> subjects(const call& c, const selection& select, const std::string& node) {
  std::vector<object_ref> out;
  auto take = [&](const object_ref& ref) {
    bool here = c.res().namespaced ? ref->as_pod().spec.node_name == node : ref->key().name == node;
    if (here && select.matches(*ref)) out.push_back(ref);
    return true;
  };
  auto snapshot = c.snapshot();
  if (c.to.name.empty())
    snapshot->each(c.to.ns, "", "", take);
  else if (auto found = snapshot->find(c.to.ns, c.to.name))
    take(found);
  return out;
}

void answer(const call_ptr& c, const std::vector<object_ref>& of, const measured_usage& used) {
  auto now = c->state->now();
  std::vector<object_ref> items;
  for (auto& ref : of)
    if (auto m = c->res().namespaced ? pod_metrics(c->res(), *ref, used, now)
                                     : node_metrics(c->res(), *ref, used, now))
      items.push_back(std::move(m));
  if (c->to.name.empty()) {
    list_meta meta{c->snapshot()->resource_version(), {}, 0};
    return c->answer(200, render_list(c->res(), items, meta, c->form, now));
  }
  // Source of the wording: metrics-server.
  if (!items.empty()) return c->answer(200, render_object(c->res(), *items.front(), c->form, now));
  auto kind = c->res().namespaced ? "podmetrics" : "nodemetrics";
  auto name = c->to.ns.empty() ? c->to.name : c->to.ns + "/" + c->to.name;
  c->fail({config::make_not_found_status({name, std::string{c->res().group}, kind, {}})});
}

} // namespace

void serve_metrics(const call_ptr& c) {
  auto& meter = c->state->meter;
  if (!meter) return c->fail(unavailable("this API server measures no node"));
  auto* measured = find_resource("", "v1", c->res().plural);
  auto select = parse_selection(*measured, c->query());
  if (!select) return c->fail(bad_request(message_of(select.error())));
  if (!c->to.name.empty() && !c->snapshot()->find(c->to.ns, c->to.name))
    return c->fail(not_found(*measured, c->to.name));
  auto of = subjects(*c, *select, meter->node_name());
  std::vector<usage_target> targets;
  if (c->res().namespaced)
    for (auto& ref : of)
      for (auto& target : running_containers(*ref))
        targets.push_back(std::move(target));
  meter->measure(std::move(targets), [c, of](const measured_usage& used) { answer(c, of, used); });
}

} // namespace podium::api
