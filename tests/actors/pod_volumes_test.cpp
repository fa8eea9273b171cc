// A pod's volumes, references and tokens under virtual time: what waits for what, what is told, tried again,
// changed and removed.
#include "node_world.hpp"

using namespace podium;
using namespace podium::test;
using json_object = boost::json::object;
using boost::json::array;

namespace {

json_object box(std::string name, json_object more = {}) {
  more["name"] = name;
  return more;
}

json_object volume_of(const char* source, json_object fields) {
  return {{"name", "v"}, {source, std::move(fields)}};
}

/// A pod `p` with one container `c` that mounts one volume `v`.
boost::json::value with_volume(json_object volume, json_object spec = {}) {
  spec["volumes"] = array{std::move(volume)};
  return pod_manifest("p",
                      {box("c", {{"volumeMounts", array{json_object{{"name", "v"}, {"mountPath", "/v"}}}}})},
                      std::move(spec));
}

object_key config_map_key(const char* name = "x") {
  return {"configmaps", "default", name};
}

boost::json::value config_map_of(std::string value, const char* name = "x") {
  return {{"kind", "ConfigMap"},
          {"apiVersion", "v1"},
          {"metadata", {{"name", name}, {"namespace", "default"}}},
          {"data", {{"k", value}}}};
}

void change(node_world& w, const object_key& key, boost::json::value document) {
  auto changed = w.sim.ask<object_ref>(w.registry, update_object{key, make_document(std::move(document))});
  BOOST_REQUIRE_MESSAGE(changed, (changed ? "" : message_of(changed.error())));
}

const volume_wish* wish(node_world& w) {
  auto pod = w.volumes->pods.find(w.get("p")->uid());
  if (pod == w.volumes->pods.end() || !pod->second.contains("v")) return nullptr;
  return &pod->second.at("v");
}

std::string content(node_world& w, const std::string& path) {
  if (auto* v = wish(w))
    for (auto& f : v->files)
      if (f.path == path) return *f.data;
  return "(none)";
}

std::string last_said(node_world& w, const std::string& reason) {
  for (auto i = w.said->rbegin(); i != w.said->rend(); ++i)
    if (i->reason == reason) return i->message;
  return "";
}

std::string waiting(node_world& w) {
  auto s = w.status_of("p", "c");
  return s.state.waiting ? s.state.waiting->reason : "";
}

const create_container& made(node_world& w) {
  auto* request = w.world->made_from(w.get("p")->uid(), "c");
  BOOST_REQUIRE(request);
  return *request;
}

bool running(node_world& w) {
  return w.phase("p") == "Running";
}

} // namespace

BOOST_AUTO_TEST_SUITE(pod_volumes)

BOOST_AUTO_TEST_CASE(volumes_are_made_before_containers_and_removed_after_them) {
  node_world w;
  w.volumes->delay = 5s;
  w.start_node();
  w.create(with_volume(volume_of("emptyDir", {})));
  w.sim.run_for(4s);
  BOOST_TEST(waiting(w) == "ContainerCreating");
  BOOST_REQUIRE(w.wait([&] { return running(w); }, 10s));
  BOOST_REQUIRE(wish(w));
  BOOST_TEST(made(w).mounts.at(0).source == "/pods/" + w.get("p")->uid() + "/v");
  w.remove("p");
  BOOST_REQUIRE(w.wait([&] { return !w.get("p"); }, 60s));
  BOOST_TEST(w.volumes->pods.empty());
}

// Source: pod-semantics §2: volumes, then the sandbox.
BOOST_AUTO_TEST_CASE(a_pod_that_waits_for_a_volume_has_no_sandbox) {
  json_object token{{"serviceAccountToken", {{"path", "token"}}}};
  struct row {
    json_object volume;
    std::function<void(node_world&)> spoil = [](node_world&) {}, mend = spoil;
    const char* account = "";
  };
  auto slow = [](node_world& w) { w.volumes->delay = 30s; };
  for (auto& r : {row{volume_of("configMap", {{"name", "x"}}), [](auto&) {},
                      [](auto& w) { w.put(config_map_key(), config_map_of("one")); }},
                  row{volume_of("projected", {{"sources", array{token}}}),
                      [](auto& w) { w.volumes->token_error = "no key"; },
                      [](auto& w) { w.volumes->token_error.clear(); }, "robot"},
                  row{volume_of("hostPath", {{"path", "/x"}}), [](auto& w) { w.volumes->errors["v"] = "no"; },
                      [](auto& w) { w.volumes->errors.clear(); }},
                  row{volume_of("hostPath", {{"path", "/x"}}), slow}, row{volume_of("emptyDir", {}), slow}}) {
    auto what = boost::json::serialize(r.volume);
    node_world w;
    r.spoil(w);
    w.start_node();
    w.put({"serviceaccounts", "default", "robot"},
          {{"kind", "ServiceAccount"},
           {"apiVersion", "v1"},
           {"metadata", {{"name", "robot"}, {"namespace", "default"}}}});
    w.create(with_volume(r.volume, {{"serviceAccountName", r.account}}));
    w.sim.run_for(20s);
    BOOST_TEST(waiting(w) == "ContainerCreating", what);
    BOOST_TEST(w.pod_of("p").status.pod_ip == "", what);
    BOOST_TEST(w.condition_of("p", "PodReadyToStartContainers") == "False", what);
    BOOST_TEST(w.world->list("", w.sim.now()).sandboxes.empty(), what);
    r.mend(w);
    BOOST_REQUIRE_MESSAGE(w.wait([&] { return running(w); }, 70s), what);
    BOOST_TEST(w.condition_of("p", "PodReadyToStartContainers") == "True", what);
  }
}

/// Nothing was made but volumes: they go without a sandbox.
BOOST_AUTO_TEST_CASE(a_pod_that_waits_for_a_volume_can_be_deleted) {
  node_world w;
  w.start_node();
  auto manifest = with_volume(volume_of("configMap", {{"name", "x"}}));
  manifest.at("spec").at("volumes").as_array().push_back(
      json_object{{"name", "e"}, {"emptyDir", json_object{}}});
  w.create(manifest);
  w.sim.run_for(20s);
  BOOST_TEST(w.volumes->pods.size() == 1u);
  w.remove("p");
  BOOST_REQUIRE(w.wait([&] { return !w.get("p"); }, 5s));
  BOOST_TEST(w.volumes->pods.empty());
  w.check_invariants();
}

BOOST_AUTO_TEST_CASE(a_sandbox_that_fails_or_is_lost_costs_no_volume) {
  node_world w;
  w.world->fail_sandboxes = 2;
  w.start_node();
  w.put(config_map_key(), config_map_of("one"));
  w.create(with_volume(volume_of("configMap", {{"name", "x"}}), {{"shareProcessNamespace", true}}));
  BOOST_REQUIRE(w.wait([&] { return running(w); }, 60s));
  BOOST_TEST(w.events_with("FailedCreatePodSandBox") == 2u);
  w.sim.ask<delete_result>(w.registry, delete_object{config_map_key()});
  w.world->end_first_process(w.get("p")->uid(), w.sim.now());
  BOOST_REQUIRE(w.wait([&] { return w.times(sim_event_kind::started, "c").size() == 2u; }, 60s));
  BOOST_TEST(w.volumes->times_made["v"] == 1u);
}

BOOST_AUTO_TEST_CASE(a_pod_waits_for_a_config_map_and_says_so) {
  node_world w;
  w.start_node();
  w.create(with_volume(volume_of("configMap", {{"name", "x"}})));
  w.sim.run_for(30s);
  BOOST_TEST(waiting(w) == "ContainerCreating");
  BOOST_TEST(last_said(w, "FailedMount")
             == "MountVolume.SetUp failed for volume \"v\" : configmap \"x\" not found");
  // Tried at 0.5, 1, 2, 4, 8, 16 s after one another.
  BOOST_TEST(w.events_with("FailedMount") == 6u);
  w.put(config_map_key(), config_map_of("one"));
  BOOST_REQUIRE(w.wait([&] { return running(w); }, 1s));
  BOOST_TEST(content(w, "k") == "one");
}

BOOST_AUTO_TEST_CASE(changes_reach_running_pods_within_a_second) {
  node_world w;
  w.start_node();
  w.put(config_map_key(), config_map_of("one"));
  w.create(with_volume(volume_of("configMap", {{"name", "x"}})));
  BOOST_REQUIRE(w.wait([&] { return running(w); }, 10s));
  auto times = w.volumes->times_set[w.get("p")->uid()];
  w.sim.run_for(150s); // periodical looks change nothing
  BOOST_TEST(w.volumes->times_set[w.get("p")->uid()] == times);
  change(w, config_map_key(), config_map_of("two"));
  BOOST_REQUIRE(w.wait([&] { return content(w, "k") == "two"; }, 1s));
  BOOST_TEST(w.times(sim_event_kind::started, "c").size() == 1u);
}

BOOST_AUTO_TEST_CASE(only_what_pods_refer_to_is_kept) {
  node_world w;
  w.start_node();
  auto holders = [&](const char* name) {
    return w.view->snapshot("configmaps")->find("default", name).ptr.use_count();
  };
  w.put(config_map_key(), config_map_of("one"));
  w.put(config_map_key("other"), config_map_of("two", "other"));
  w.sim.run_for(1s);
  auto of_x = holders("x"), of_other = holders("other");
  w.create(with_volume(volume_of("configMap", {{"name", "x"}})));
  BOOST_REQUIRE(w.wait([&] { return running(w); }, 10s));
  BOOST_TEST(holders("x") > of_x);
  BOOST_TEST(holders("other") == of_other);
  // One that is named when the resource has been read already.
  w.create(pod_manifest(
      "q", {box("c", {{"envFrom", array{json_object{{"configMapRef", {{"name", "other"}}}}}}})}));
  BOOST_REQUIRE(w.wait([&] { return w.phase("q") == "Running"; }, 1s));
  w.remove("p");
  BOOST_REQUIRE(w.wait([&] { return !w.get("p") && holders("x") == of_x; }, 90s));
  // And after nobody referred to any.
  w.remove("q");
  BOOST_REQUIRE(w.wait([&] { return !w.get("q") && holders("other") == of_other; }, 90s));
  change(w, config_map_key(), config_map_of("three"));
  w.create(with_volume(volume_of("configMap", {{"name", "x"}})));
  BOOST_REQUIRE(w.wait([&] { return content(w, "k") == "three"; }, 10s));
}

BOOST_AUTO_TEST_CASE(downward_files_follow_labels) {
  node_world w;
  w.start_node();
  auto item = json_object{{"path", "l"}, {"fieldRef", {{"fieldPath", "metadata.labels"}}}};
  w.create(with_volume(volume_of("downwardAPI", {{"items", array{item}}})));
  BOOST_REQUIRE(w.wait([&] { return running(w); }, 10s));
  BOOST_TEST(content(w, "l") == "");
  auto document = w.get("p")->document();
  document.as_object()["metadata"].as_object()["labels"] = json_object{{"app", "web"}};
  change(w, {"pods", "default", "p"}, document);
  BOOST_REQUIRE(w.wait([&] { return content(w, "l") == "app=\"web\""; }, 1s));
}

/// To make a volume again may be a walk over all that the pod has in it.
BOOST_AUTO_TEST_CASE(only_volumes_that_changed_are_made_again) {
  node_world w;
  w.start_node();
  auto item = json_object{{"path", "l"}, {"fieldRef", {{"fieldPath", "metadata.labels"}}}};
  auto manifest = with_volume(volume_of("downwardAPI", {{"items", array{item}}}));
  manifest.at("spec").at("volumes").as_array().push_back(
      json_object{{"name", "disk"}, {"hostPath", {{"path", "/disk"}}}});
  w.create(manifest);
  BOOST_REQUIRE(w.wait([&] { return running(w); }, 10s));
  auto document = w.get("p")->document();
  document.as_object()["metadata"].as_object()["labels"] = json_object{{"app", "web"}};
  change(w, {"pods", "default", "p"}, document);
  BOOST_REQUIRE(w.wait([&] { return content(w, "l") == "app=\"web\""; }, 1s));
  BOOST_TEST(w.volumes->times_made["v"] == 2u);
  BOOST_TEST(w.volumes->times_made["disk"] == 1u);
}

BOOST_AUTO_TEST_CASE(what_takes_long_is_waited_for) {
  node_world w;
  w.volumes->delay = 5min;
  w.start_node();
  w.create(with_volume(volume_of("hostPath", {{"path", "/disk"}})));
  w.sim.run_for(4min + 30s);
  BOOST_TEST(last_said(w, "FailedMount")
             == "Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], failed to "
                "process volumes=[]: timed out waiting for the condition");
  BOOST_REQUIRE(w.wait([&] { return running(w); }, 31s)); // no back-off on top
}

BOOST_AUTO_TEST_CASE(nobody_waits_for_the_port_where_nothing_is_the_pod_s_own) {
  node_world w;
  w.volumes->delay = 10h;
  w.start_node();
  w.create(with_volume(volume_of("hostPath", {{"path", "/hung"}})));
  w.sim.run_for(5s);
  w.sim.kill(w.volume_port);
  w.remove("p", 0);
  BOOST_REQUIRE(
      w.wait([&] { return !w.get("p") && w.world->history(w.sim.now()).violations().empty(); }, 5s));
  auto waited = w.sim.ask<ack>(w.node, await_removals{});
  BOOST_TEST(bool(waited));
}

BOOST_AUTO_TEST_CASE(what_changed_does_not_wait_for_a_volume_that_failed) {
  node_world w;
  w.volumes->errors["bad"] = "no";
  w.start_node();
  auto item = json_object{{"path", "l"}, {"fieldRef", {{"fieldPath", "metadata.labels"}}}};
  auto manifest = with_volume(volume_of("downwardAPI", {{"items", array{item}}}));
  manifest.at("spec").at("volumes").as_array().push_back(
      json_object{{"name", "bad"}, {"hostPath", {{"path", "/x"}}}});
  w.create(manifest);
  w.sim.run_for(70s); // the next try is at 127 s
  auto document = w.get("p")->document();
  document.as_object()["metadata"].as_object()["labels"] = json_object{{"app", "web"}};
  change(w, {"pods", "default", "p"}, document);
  BOOST_REQUIRE(w.wait([&] { return content(w, "l") == "app=\"web\""; }, 1s));
}

BOOST_AUTO_TEST_CASE(tokens_of_a_long_life_are_renewed_each_day) {
  node_world w;
  w.start_node();
  w.put({"serviceaccounts", "default", "robot"},
        {{"kind", "ServiceAccount"},
         {"apiVersion", "v1"},
         {"metadata", {{"name", "robot"}, {"namespace", "default"}}}});
  json_object token{{"serviceAccountToken", {{"path", "token"}, {"expirationSeconds", 4294967296}}}};
  w.create(
      with_volume(volume_of("projected", {{"sources", array{token}}}), {{"serviceAccountName", "robot"}}));
  BOOST_REQUIRE(w.wait([&] { return running(w); }, 10s));
  w.sim.run_for(23h);
  BOOST_TEST(content(w, "token") == "token-1");
  w.sim.run_for(61min);
  BOOST_TEST(content(w, "token") == "token-2");
}

BOOST_AUTO_TEST_CASE(volumes_that_fail_are_tried_again) {
  node_world w;
  w.volumes->errors["v"] = "hostPath type check failed: /x is not a directory";
  w.start_node();
  w.create(with_volume(volume_of("hostPath", {{"path", "/x"}, {"type", "Directory"}})));
  w.sim.run_for(3s);
  BOOST_TEST(
      last_said(w, "FailedMount")
      == "MountVolume.SetUp failed for volume \"v\" : hostPath type check failed: /x is not a directory");
  BOOST_TEST(waiting(w) == "ContainerCreating");
  w.volumes->errors.clear();
  BOOST_REQUIRE(w.wait([&] { return running(w); }, 5s));
}

BOOST_AUTO_TEST_CASE(environment_waits_in_a_container_config_error) {
  struct row {
    json_object env;
    const char* words;
  };
  for (auto& r : {row{{{"name", "A"}, {"valueFrom", {{"configMapKeyRef", {{"name", "x"}, {"key", "k"}}}}}},
                      "configmap \"x\" not found"},
                  row{{{"name", "A"}, {"valueFrom", {{"secretKeyRef", {{"name", "x"}, {"key", "k"}}}}}},
                      "secret \"x\" not found"}}) {
    node_world w;
    w.start_node();
    w.create(pod_manifest("p", {box("c", {{"env", array{r.env}}})}));
    w.sim.run_for(5s);
    BOOST_TEST(waiting(w) == "CreateContainerConfigError", r.words);
    BOOST_TEST(w.status_of("p", "c").state.waiting->message == r.words);
    BOOST_TEST(last_said(w, "Failed") == std::string{"Error: "} + r.words);
    w.put(config_map_key(), config_map_of("one"));
    w.put({"secrets", "default", "x"}, {{"kind", "Secret"},
                                        {"apiVersion", "v1"},
                                        {"metadata", {{"name", "x"}, {"namespace", "default"}}},
                                        {"data", {{"k", "b25l"}}}});
    BOOST_REQUIRE_MESSAGE(w.wait([&] { return running(w); }, 1s), r.words);
    BOOST_TEST(made(w).spec.env.at(0).value == "one");
  }
}

BOOST_AUTO_TEST_CASE(claims_are_waited_for_until_they_are_bound) {
  node_world w;
  w.start_node();
  w.create(with_volume(volume_of("persistentVolumeClaim", {{"claimName", "claim"}})));
  w.sim.run_for(5s);
  BOOST_TEST(
      last_said(w, "FailedMount")
      == "Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], failed to process "
         "volumes=[v]: error processing PVC default/claim: failed to fetch PVC from API server: "
         "persistentvolumeclaims \"claim\" not found");
  object_key key{"persistentvolumeclaims", "default", "claim"};
  boost::json::value claim{{"kind", "PersistentVolumeClaim"},
                           {"apiVersion", "v1"},
                           {"metadata", {{"name", "claim"}, {"namespace", "default"}}},
                           {"spec", {{"volumeName", "pv"}}},
                           {"status", {{"phase", "Pending"}}}};
  auto made = w.put(key, claim);
  w.sim.run_for(5s);
  BOOST_TEST(last_said(w, "FailedMount").ends_with("PVC is not bound"));
  w.put({"persistentvolumes", "", "pv"},
        {{"kind", "PersistentVolume"},
         {"apiVersion", "v1"},
         {"metadata", {{"name", "pv"}}},
         {"spec", {{"local", {{"path", "/disk"}}}, {"claimRef", {{"uid", made->uid()}}}}}});
  auto done =
      w.sim.ask<object_ref>(w.registry, put_status{key, made->uid(), make_document({{"phase", "Bound"}})});
  BOOST_REQUIRE(done);
  BOOST_REQUIRE(w.wait([&] { return running(w); }, 2s));
  BOOST_TEST(wish(w)->path == "/disk");
}

BOOST_AUTO_TEST_CASE(tokens_are_renewed_at_four_fifths_of_their_life) {
  node_world w;
  w.start_node();
  json_object token{{"serviceAccountToken", {{"path", "token"}, {"expirationSeconds", 1000}}}};
  w.create(
      with_volume(volume_of("projected", {{"sources", array{token}}}), {{"serviceAccountName", "robot"}}));
  w.sim.run_for(5s);
  BOOST_TEST(
      last_said(w, "FailedMount").ends_with("failed to fetch token: serviceaccounts \"robot\" not found"));
  w.put({"serviceaccounts", "default", "robot"},
        {{"kind", "ServiceAccount"},
         {"apiVersion", "v1"},
         {"metadata", {{"name", "robot"}, {"namespace", "default"}}}});
  BOOST_REQUIRE(w.wait([&] { return running(w); }, 2s));
  BOOST_TEST(content(w, "token") == "token-1");
  w.sim.run_for(795s);
  BOOST_TEST(content(w, "token") == "token-1");
  w.sim.run_for(10s);
  BOOST_TEST(content(w, "token") == "token-2");
  // One that cannot be had is asked for again; the old one stays.
  w.volumes->token_error = "the key is lost";
  w.sim.run_for(900s);
  BOOST_TEST(content(w, "token") == "token-2");
  w.volumes->token_error.clear();
  w.sim.run_for(61s);
  BOOST_TEST(content(w, "token") == "token-3");
}

BOOST_AUTO_TEST_CASE(a_volume_beyond_its_limit_evicts_the_pod) {
  node_world w;
  sim_profile deaf;
  deaf.signals[15] = {0s, 0, true};
  w.world->set_profile("*", deaf);
  w.start_node();
  w.create(with_volume(volume_of("emptyDir", {{"sizeLimit", "1Mi"}})));
  BOOST_REQUIRE(w.wait([&] { return running(w); }, 10s));
  w.volumes->used_bytes["v"] = 1 << 20;
  w.sim.run_for(30s);
  BOOST_TEST(running(w));
  w.volumes->used_bytes["v"] = 2 << 20;
  // A look each ten seconds, one of grace, two for the signal.
  BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Failed"; }, 15s));
  BOOST_TEST(w.pod_of("p").status.reason == "Evicted");
  BOOST_TEST(w.pod_of("p").status.message == "Usage of EmptyDir volume \"v\" exceeds the limit \"1Mi\". ");
  BOOST_TEST(w.events_with("Evicted") == 1u);
  BOOST_TEST(w.condition_of("p", "DisruptionTarget") == "True");
  BOOST_TEST(w.volumes->pods.empty());
}

BOOST_AUTO_TEST_CASE(a_daemon_that_comes_back_finds_its_volumes) {
  node_world w;
  w.start_node();
  w.put(config_map_key(), config_map_of("one"));
  w.create(with_volume(volume_of("configMap", {{"name", "x"}})));
  BOOST_REQUIRE(w.wait([&] { return running(w); }, 10s));
  w.sim.kill(w.node);
  change(w, config_map_key(), config_map_of("two"));
  w.start_node();
  BOOST_REQUIRE(w.wait([&] { return content(w, "k") == "two"; }, 5s));
  BOOST_TEST(w.times(sim_event_kind::started, "c").size() == 1u);
  // Gone while no daemon ran: an orphan's volumes go too.
  w.sim.kill(w.node);
  w.remove("p", 0);
  w.start_node();
  BOOST_REQUIRE(w.wait([&] { return w.volumes->pods.empty(); }, 5s));
  w.check_invariants();
}

/// Breaks an actor at each of its first messages, in a world of its own each time.
BOOST_AUTO_TEST_CASE(broken_at_every_message) {
  for (bool kill : {false, true})
    for (auto* target : {"node/default/p", "node/default/p/c", "node/objects", "volumes"}) {
      if (kill && std::string_view{target} == "volumes") continue; // nobody above it would bring it back
      uint64_t reached = 0;
      for (uint64_t nth = 1; nth <= 30; ++nth) {
        auto what = target + std::string{kill ? " killed at " : " throws at "} + std::to_string(nth);
        node_world w({.seed = nth});
        w.sim.trace().sabotage(target, nth, kill);
        w.start_node();
        w.put(config_map_key(), config_map_of("one"));
        w.create(with_volume(volume_of("configMap", {{"name", "x"}})));
        BOOST_REQUIRE_MESSAGE(w.wait([&] { return running(w); }, 200s), what);
        change(w, config_map_key(), config_map_of("two"));
        BOOST_REQUIRE_MESSAGE(w.wait([&] { return content(w, "k") == "two"; }, 200s), what);
        BOOST_TEST(w.times(sim_event_kind::started, "c").size() == 1u, what);
        w.remove("p");
        BOOST_REQUIRE_MESSAGE(w.wait([&] { return !w.get("p"); }, 200s), what);
        BOOST_TEST(w.volumes->pods.empty(), what);
        if (!w.sim.trace().sabotaged()) break;
        reached = nth;
      }
      // A name that no actor has would pass everything.
      BOOST_TEST(reached >= 3u, target << " was broken " << reached << " times");
    }
}

BOOST_AUTO_TEST_CASE(a_follower_that_ends_is_replaced_and_told_again) {
  node_world w;
  w.start_node();
  w.put(config_map_key(), config_map_of("one"));
  w.create(with_volume(volume_of("configMap", {{"name", "x"}})));
  BOOST_REQUIRE(w.wait([&] { return running(w); }, 10s));
  w.sim.trace().sabotage("node/objects", 1, true);
  change(w, config_map_key(), config_map_of("two"));
  BOOST_REQUIRE(w.wait([&] { return content(w, "k") == "two"; }, 2s));
}

BOOST_AUTO_TEST_SUITE_END()
