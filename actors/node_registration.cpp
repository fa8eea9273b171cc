// The node as the cluster sees it: its object, status and lease.
#include "actors/node.hpp"

namespace podium {
namespace {

namespace json = boost::json;

condition node_condition(const char* type, bool value, const char* reason, const char* message,
                         wall_time now) {
  condition c;
  c.type = type;
  c.status = value ? "True" : "False";
  c.last_heartbeat_time = c.last_transition_time = now;
  c.reason = reason;
  c.message = message;
  return c;
}

/// Those that are no business of the kubelet's. Source: IsExtendedResourceName.
quantity_map extended_resources(const quantity_map& amounts) {
  quantity_map out;
  for (auto& [name, amount] : amounts)
    if (name.find('/') != std::string::npos) out.emplace(name, amount);
  return out;
}

/// The status without the times that change by themselves.
std::string essence(node_status status) {
  for (auto& c : status.conditions)
    c.last_heartbeat_time.reset();
  return json::serialize(to_json(status));
}

} // namespace

node_status node_agent::make_status() const {
  node_status s;
  auto& m = ctx_.machine;
  s.capacity = m.capacity;
  s.allocatable = m.allocatable;
  s.addresses = m.addresses;
  s.node_info = m.info;
  s.images = images_;
  auto t = wall_now();
  s.conditions = {
      node_condition("MemoryPressure", false, "KubeletHasSufficientMemory",
                     "kubelet has sufficient memory available", t),
      node_condition("DiskPressure", false, "KubeletHasNoDiskPressure", "kubelet has no disk pressure", t),
      node_condition("PIDPressure", false, "KubeletHasSufficientPID", "kubelet has sufficient PID available",
                     t),
      node_condition("Ready", true, "KubeletReady", "kubelet is posting ready status", t)};
  for (auto& c : s.conditions)
    for (auto& before : last_status_.conditions)
      if (before.type == c.type && before.status == c.status)
        c.last_transition_time = before.last_transition_time;
  return s;
}

/// A node that somebody deletes is registered again at once: its pods run on, and are to be known.
void node_agent::follow_own_node() {
  auto& name = ctx_.settings.node_name;
  this->send(
      ctx_.recorder,
      record_event{
          {"nodes", "", name}, "Node", name, "", "Normal", "Starting", "Starting kubelet.", "kubelet", name});
  node_watch_.start(
      ctx_.registry,
      [this, name](const object_list& all) {
        auto mine = std::find_if(all.items.begin(), all.items.end(),
                                 [&](const object_ref& ref) { return ref->key().name == name; });
        if (mine == all.items.end()) return register_node();
        see_own_node(**mine);
      },
      [this, name](const watch_event& event) {
        if (event.object->key().name != name) return;
        if (event.type == watch_type::deleted) return register_node();
        see_own_node(*event.object);
      });
}

/// Resources that others give the node are kept by every write of its status (registry_rules), which also
/// makes all of each allocatable: one that is not yet calls for a write, and no write calls for another.
void node_agent::see_own_node(const object& node) {
  labels_ = node.meta().labels;
  auto& status = node.as_node().status;
  if (extended_resources(status.capacity) == extended_resources(status.allocatable)) return;
  last_report_ = {};
  update_status();
}

void node_agent::register_node() {
  auto& name = ctx_.settings.node_name;
  last_status_ = make_status();
  last_report_ = now();
  json::object labels{{"kubernetes.io/hostname", name},
                      {"kubernetes.io/os", "linux"},
                      {"kubernetes.io/arch", ctx_.machine.info.architecture.value},
                      {"beta.kubernetes.io/os", "linux"},
                      {"beta.kubernetes.io/arch", ctx_.machine.info.architecture.value}};
  for (auto& [key, value] : ctx_.settings.labels)
    labels[key] = value;
  json::value document{{"kind", "Node"},
                       {"apiVersion", "v1"},
                       {"metadata", {{"name", name}, {"labels", labels}}},
                       {"spec", json::object{}},
                       {"status", to_json(last_status_)}};
  ask(
      ctx_.registry, ctx_.settings.request_timeout, [this](const object_ref&) { keep_alive(); },
      [this](const caf::error& err) {
        if (code_of(err) != errc::already_exists) return retry(&node_agent::register_node);
        last_report_ = {};
        keep_alive();
      },
      create_object{{"nodes", "", name}, make_document(std::move(document)), false});
}

void node_agent::keep_alive() {
  update_status();
  renew_lease();
}

void node_agent::update_status() {
  cancel(status_timer_);
  status_timer_ = after(ctx_.settings.status_period, [this] { update_status(); });
  ask(
      ctx_.images, ctx_.settings.request_timeout,
      [this](const image_list& list) {
        images_.clear();
        for (auto& i : list.images)
          images_.push_back({i.names, i.size_bytes});
      },
      [](const caf::error&) {}, list_images{});
  auto status = make_status();
  bool due = last_report_ == clock_time{} || now() - last_report_ >= ctx_.settings.status_report;
  if (!due && essence(status) == essence(last_status_)) return;
  last_status_ = status;
  last_report_ = now();
  auto document = make_document(to_json(status));
  ask(
      ctx_.registry, ctx_.settings.request_timeout, [](const object_ref&) {},
      // Not written: the next look tries again; an object that somebody deleted is made anew.
      [this](const caf::error& err) {
        last_report_ = {};
        if (code_of(err) == errc::not_found) register_node();
      },
      put_status{{"nodes", "", ctx_.settings.node_name}, "", document});
}

void node_agent::renew_lease() {
  cancel(lease_timer_);
  lease_timer_ = after(ctx_.settings.lease_period, [this] { renew_lease(); });
  auto& name = ctx_.settings.node_name;
  object_key key{"leases.coordination.k8s.io", "kube-node-lease", name};
  auto document = make_document({{"kind", "Lease"},
                                 {"apiVersion", "coordination.k8s.io/v1"},
                                 {"metadata", {{"name", name}, {"namespace", "kube-node-lease"}}},
                                 {"spec",
                                  {{"holderIdentity", name},
                                   {"leaseDurationSeconds", ctx_.settings.lease_seconds},
                                   {"renewTime", to_rfc3339_micro(wall_now())}}}});
  update_object update;
  update.key = key;
  update.document = document;
  ask(
      ctx_.registry, ctx_.settings.request_timeout, [](const object_ref&) {},
      [this, key, document](const caf::error& err) {
        if (code_of(err) != errc::not_found) return;
        ask(
            ctx_.registry, ctx_.settings.request_timeout, [](const object_ref&) {}, [](const caf::error&) {},
            create_object{key, document, false});
      },
      update);
}

} // namespace podium
