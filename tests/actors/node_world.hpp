// A whole node under virtual time: real registry, recorder, node, pods, containers and probes over simulated
// ports.
#pragma once
#include "actors/node.hpp"
#include "actors/registry.hpp"
#include "runtime/sim/deterministic_system.hpp"
#include "runtime/sim/fault_script.hpp"
#include "runtime/sim/sim_images.hpp"
#include "runtime/sim/sim_probes.hpp"
#include "runtime/sim/sim_runtime.hpp"
#include "runtime/sim/sim_volumes.hpp"
#include "runtime/store/memory_store.hpp"

#include <boost/test/unit_test.hpp>

namespace podium::test {

using namespace std::chrono_literals;

/// Builds pod manifests for the simulation.
inline boost::json::value pod_manifest(const std::string& name, boost::json::array containers,
                                       boost::json::object spec = {}) {
  for (auto& c : containers) {
    auto& o = c.as_object();
    if (!o.contains("image")) o["image"] = "busybox";
    if (!o.contains("imagePullPolicy")) o["imagePullPolicy"] = "IfNotPresent";
  }
  spec["containers"] = std::move(containers);
  if (!spec.contains("nodeName")) spec["nodeName"] = "node";
  return {{"kind", "Pod"},
          {"apiVersion", "v1"},
          {"metadata", {{"name", name}, {"namespace", "default"}}},
          {"spec", std::move(spec)},
          {"status", {{"phase", "Pending"}}}};
}

/// Keeps what the actors say, for assertions: the recorder's own rules are tested in event_recorder_test.
class event_collector final : public base_actor<event_recorder_actor> {
public:
  using events = std::vector<record_event>;
  event_collector(caf::actor_config& cfg, env_ptr env, std::string path, std::shared_ptr<events> kept)
      : base_actor(cfg, std::move(env), std::move(path)), kept_(std::move(kept)) {}

protected:
  behavior_type handlers() override {
    return {[this](const record_event& e) { kept_->push_back(e); }};
  }

private:
  std::shared_ptr<events> kept_;
};

struct node_world {
  explicit node_world(simulation_options options = {.messages_per_instant = 500'000}) : sim(options) {
    view = std::make_shared<registry_view>();
    disk = std::make_shared<memory_disk>();
    world = std::make_shared<sim_world>(sim.env());
    images = std::make_shared<sim_image_store>();
    store = spawn_memory_store(sim.system(), sim.env(), disk);
    sim.adopt(store);
    registry_settings rs;
    rs.store = store;
    rs.view = view;
    registry = spawn_registry(sim.system(), sim.env(), rs);
    sim.adopt(registry);
    recorder = sim.spawn<event_collector>("recorder", said);
    runtime = sim.spawn<sim_runtime>("runtime", world);
    image_service = sim.spawn<sim_images>("images", images);
    prober = sim.spawn<sim_probes>("prober", world);
    volume_port = sim.spawn<sim_volumes>("volumes", volumes);
    tokens = sim.spawn<sim_tokens>("tokens", volumes);
    settings.node_name = "node";
  }

  void start_node() {
    node_context ctx;
    ctx.env = sim.env();
    ctx.settings = settings;
    ctx.runtime = runtime;
    ctx.images = image_service;
    ctx.prober = prober;
    ctx.volumes = volume_port;
    ctx.tokens = tokens;
    ctx.recorder = recorder;
    ctx.registry = registry;
    ctx.store = store;
    node = sim.system().spawn<node_agent>(ctx, "node");
    sim.adopt(node);
  }

  object_ref create(boost::json::value manifest) {
    object_key key{"pods", "default", std::string(manifest.at("metadata").at("name").as_string())};
    return put(key, std::move(manifest));
  }
  /// Creates any object.
  object_ref put(const object_key& key, boost::json::value document) {
    auto made = sim.ask<object_ref>(registry, create_object{key, make_document(std::move(document)), false});
    BOOST_REQUIRE_MESSAGE(made, "create: " << (made ? "" : message_of(made.error())));
    return *made;
  }
  void remove(const std::string& name, int64_t grace = -1) {
    delete_object request;
    request.key = {"pods", "default", name};
    request.grace_seconds = grace;
    auto gone = sim.ask<delete_result>(registry, request);
    BOOST_REQUIRE(gone);
  }
  object_ref get(const std::string& name) { return view->snapshot("pods")->find("default", name); }
  pod pod_of(const std::string& name) {
    auto ref = get(name);
    BOOST_REQUIRE_MESSAGE(ref, "there is no pod " << name);
    return ref->as_pod();
  }
  container_status status_of(const std::string& pod_name, const std::string& container) {
    auto p = pod_of(pod_name);
    for (auto& s : p.status.container_statuses)
      if (s.name.value == container) return s;
    return {};
  }
  std::string phase(const std::string& name) { return pod_of(name).status.phase; }
  std::string condition_of(const std::string& pod_name, const std::string& type) {
    auto p = pod_of(pod_name);
    for (auto& c : p.status.conditions)
      if (c.type == type) return c.status;
    return "";
  }
  bool wait(const std::function<bool()>& done, nanoseconds limit) { return sim.run_until(done, limit); }
  /// Virtual seconds since the simulation began of each event of a kind.
  std::vector<double> times(sim_event_kind kind, const std::string& container) {
    std::vector<double> out;
    for (auto& e : world->history(sim.now()).of(kind, container))
      out.push_back(std::chrono::duration<double>(e.at.time_since_epoch()).count());
    return out;
  }
  size_t events_with(const std::string& reason) const {
    return static_cast<size_t>(
        std::count_if(said->begin(), said->end(), [&](auto& e) { return e.reason == reason; }));
  }
  void check_invariants() {
    for (auto& v : world->history(sim.now()).violations())
      BOOST_ERROR("invariant: " + v);
  }

  std::shared_ptr<event_collector::events> said = std::make_shared<event_collector::events>();
  deterministic_system sim;
  std::shared_ptr<registry_view> view;
  std::shared_ptr<memory_disk> disk;
  std::shared_ptr<sim_world> world;
  std::shared_ptr<sim_image_store> images;
  store_actor store;
  registry_actor registry;
  event_recorder_actor recorder;
  container_runtime_actor runtime;
  image_service_actor image_service;
  probe_executor_actor prober;
  std::shared_ptr<sim_volume_store> volumes = std::make_shared<sim_volume_store>();
  volume_manager_actor volume_port;
  token_issuer_actor tokens;
  node_settings settings;
  node_actor node;
};

} // namespace podium::test
