#include "actors/admission.hpp"
#include "node_world.hpp"

using namespace podium;
using namespace podium::test;

BOOST_AUTO_TEST_SUITE(admission)

BOOST_AUTO_TEST_CASE(features_that_are_not_served) {
  struct row {
    const char* spec;
    const char* path;
  };
  for (
      auto& r :
      {row{R"({"containers":[{"name":"c"}]})", ""},
       row{R"({"initContainers":[{"name":"i"}],"containers":[{"name":"c"}]})", ""},
       row{R"({"initContainers":[{"name":"i","volumeDevices":[{"name":"d"}]}],"containers":[]})",
           "spec.initContainers[0].volumeDevices"},
       row{R"({"initContainers":[],"volumes":[],"containers":[{"name":"c"}]})", ""},
       row{R"({"volumes":[{"name":"v","emptyDir":{}}],"containers":[{"name":"c"}]})", ""},
       row{R"({"volumes":[{"name":"v","emptyDir":{}},{"name":"n","nfs":{}}],"containers":[{"name":"c"}]})",
           "spec.volumes[1].nfs"},
       row{R"({"volumes":[{"name":"v","emptyDir":{"medium":"Memory"}}],"containers":[]})", ""},
       row{R"({"volumes":[{"name":"v","emptyDir":{"medium":"HugePages-2Mi"}}],"containers":[]})",
           "spec.volumes[0].emptyDir.medium HugePages-2Mi"},
       row{R"({"securityContext":{"appArmorProfile":{"type":"Unconfined"}},"containers":[]})", ""},
       row{R"({"securityContext":{"appArmorProfile":{"type":"RuntimeDefault"}},"containers":[]})",
           "Cannot enforce AppArmor"},
       row{R"({"containers":[{"name":"c","securityContext":{"appArmorProfile":{"type":"Localhost"}}}]})",
           "Cannot enforce AppArmor"},
       row{R"({"shareProcessNamespace":false,"containers":[]})", ""},
       row{R"({"containers":[{"name":"a"},{"name":"b","env":[{"name":"X","valueFrom":{}}]}]})", ""},
       row{R"({"containers":[{"name":"a","livenessProbe":{"grpc":{"port":1}}}]})", ""},
       row{R"({"os":{"name":"linux"},"hostUsers":true,"containers":[]})", ""},
       row{R"({"os":{"name":"windows"},"containers":[]})", "OS field doesn't match node OS"},
       row{R"({"hostUsers":false,"containers":[]})", "spec.hostUsers"},
       row{R"({"runtimeClassName":"gvisor","containers":[]})", "spec.runtimeClassName"},
       row{R"({"hostnameOverride":"other","containers":[]})", "spec.hostnameOverride"},
       row{R"({"containers":[{"env":[{"name":"A","valueFrom":{"fileKeyRef":{"key":"a"}}}]}]})",
           "spec.containers[0].env.valueFrom.fileKeyRef"},
       row{R"({"volumes":[{"name":"v","projected":{"sources":[{"secret":{}},{"clusterTrustBundle":{"path":"x"}}]}}]})",
           "spec.volumes[0].projected.sources.clusterTrustBundle"},
       row{R"({"volumes":[{"name":"v","projected":{"sources":[{"podCertificate":{"keyType":"x"}}]}}]})",
           "spec.volumes[0].projected.sources.podCertificate"},
       row{R"({"resourceClaims":[{"name":"gpu"}],"containers":[]})", "spec.resourceClaims"},
       row{R"({"resources":{"limits":{"memory":"1Gi"}},"containers":[]})", "spec.resources"},
       row{R"({"affinity":{"nodeAffinity":{}},"containers":[]})", ""},
       row{R"({"affinity":{"podAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{}]}}})", ""},
       row{R"({"affinity":{"podAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{}]}}})",
           "spec.affinity.podAffinity.required"},
       row{R"({"affinity":{"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{}]}}})",
           "spec.affinity.podAntiAffinity.required"},
       row{R"({"topologySpreadConstraints":[{"whenUnsatisfiable":"ScheduleAnyway"}]})", ""},
       row{R"({"topologySpreadConstraints":[{"whenUnsatisfiable":"DoNotSchedule"}]})",
           "spec.topologySpreadConstraints"}}) {
    auto fault = unsupported_feature({{"spec", boost::json::parse(r.spec)}});
    bool named = *r.path == 0 || fault.message.find(r.path) != std::string::npos;
    BOOST_TEST(named, r.spec);
    BOOST_TEST(bool(fault) == !std::string{r.path}.empty(), r.spec);
  }
}

BOOST_AUTO_TEST_CASE(profiles_that_are_asked_for_by_annotation) {
  auto asks = [](const char* profile) {
    boost::json::object notes{{"container.apparmor.security.beta.kubernetes.io/c", profile}};
    return unsupported_feature({{"metadata", {{"annotations", notes}}}, {"spec", boost::json::object{}}});
  };
  BOOST_TEST(asks("localhost/mine").reason == "AppArmor");
  BOOST_TEST(asks("runtime/default").reason == "AppArmor");
  BOOST_TEST(!asks("unconfined"));
}

BOOST_AUTO_TEST_CASE(resources_that_are_short) {
  pod_spec spec;
  spec.containers.emplace_back().resources.requests = {{"cpu", "1500m"}, {"memory", "1Gi"}};
  quantity_map node{{"cpu", "2"}, {"memory", "2Gi"}};
  BOOST_TEST(!resource_shortage(spec, {500, 0}, 3, node, 110));
  BOOST_TEST(resource_shortage(spec, {501, 0}, 3, node, 110).reason == "OutOfcpu");
  BOOST_TEST(resource_shortage(spec, {0, 2LL << 30}, 3, node, 110).reason == "OutOfmemory");
  BOOST_TEST(resource_shortage(spec, {}, 110, node, 110).reason == "OutOfpods");
}

BOOST_AUTO_TEST_CASE(sums_do_not_wrap) {
  constexpr auto most = std::numeric_limits<int64_t>::max();
  quantity_map huge{{"cpu", "9223372036854775807"}, {"memory", "8Ei"}};
  pod_spec spec;
  for (auto* name : {"a", "b"}) {
    auto& c = spec.containers.emplace_back();
    c.name = name;
    c.resources.requests = c.resources.limits = huge;
  }
  quantity_map node{{"cpu", "2"}, {"memory", "2Gi"}};
  auto asked = pod_requests_of(spec);
  BOOST_TEST(asked.memory_bytes == most);
  BOOST_TEST(asked.cpu_millicores == most);
  BOOST_TEST(resource_shortage(spec, {}, 0, node, 110).reason == "OutOfcpu");
  BOOST_TEST(resource_shortage(spec, {most, most}, 0, node, 110).reason == "OutOfcpu");
  node_world w;
  auto ref = w.create(pod_manifest("p", {boost::json::object{{"name", "c"}}}));
  auto p = ref->as_pod();
  p.spec = spec;
  auto sandbox = make_create_sandbox(*ref, p, {});
  BOOST_TEST(sandbox.memory_limit_bytes == most);
  BOOST_TEST(sandbox.cpu_quota_us > 0);
  BOOST_TEST(sandbox.cpu_shares == 262'144);
}

// Such pods pass no scheduler. Source: the kubelet's general predicates.
BOOST_AUTO_TEST_CASE(a_pod_that_names_its_node_is_judged_there) {
  node_world w;
  w.start_node();
  w.sim.run_for(5s);
  auto with_port = [](const char* name) {
    return pod_manifest(
        name, {{{"name", "c"}, {"ports", {{{"containerPort", 80}, {"hostPort", 80}, {"protocol", "TCP"}}}}}});
  };
  w.create(with_port("first"));
  BOOST_REQUIRE(w.wait([&] { return w.phase("first") == "Running"; }, 10s));
  w.create(with_port("second"));
  w.create(pod_manifest("elsewhere", {{{"name", "c"}}}, {{"nodeSelector", {{"disk", "ssd"}}}}));
  w.create(pod_manifest("here", {{{"name", "c"}}}, {{"nodeSelector", {{"kubernetes.io/os", "linux"}}}}));
  BOOST_REQUIRE(
      w.wait([&] { return w.phase("second") == "Failed" && w.phase("elsewhere") == "Failed"; }, 10s));
  BOOST_TEST(w.pod_of("second").status.reason == "NodePorts");
  BOOST_TEST(
      w.pod_of("second").status.message
      == "Pod was rejected: Predicate NodePorts failed: node(s) didn't have free ports for the requested "
         "pod ports");
  BOOST_TEST(w.pod_of("elsewhere").status.reason == "NodeAffinity");
  BOOST_TEST(w.pod_of("elsewhere").status.message
             == "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node "
                "affinity/selector");
  BOOST_TEST(w.wait([&] { return w.phase("here") == "Running"; }, 10s));
}

BOOST_AUTO_TEST_CASE(who_is_gone_from_the_api_and_still_ends_takes_no_room) {
  node_world w;
  sim_profile deaf;
  deaf.signals[15] = {0s, 0, true};
  w.world->set_profile("*", deaf);
  w.start_node();
  w.sim.run_for(5s);
  auto big = [](const char* name) {
    return pod_manifest(name, {{{"name", "c"},
                                {"ports", {{{"containerPort", 80}, {"hostPort", 80}, {"protocol", "TCP"}}}},
                                {"resources", {{"requests", {{"cpu", "3"}}}}}}});
  };
  w.create(big("old"));
  BOOST_REQUIRE(w.wait([&] { return w.phase("old") == "Running"; }, 10s));
  w.remove("old", 0);
  w.create(big("new"));
  BOOST_TEST(w.wait([&] { return w.phase("new") == "Running"; }, 60s));
  BOOST_TEST(w.pod_of("new").status.reason == "");
}

BOOST_AUTO_TEST_CASE(a_claim_of_one_pod_at_a_time_is_waited_for) {
  node_world w;
  sim_profile deaf;
  deaf.signals[15] = {0s, 0, true};
  w.world->set_profile("*", deaf);
  w.start_node();
  w.sim.run_for(5s);
  boost::json::array modes{"ReadWriteOncePod"};
  object_key key{"persistentvolumeclaims", "default", "alone"};
  auto claim = w.put(key, {{"kind", "PersistentVolumeClaim"},
                           {"apiVersion", "v1"},
                           {"metadata", {{"name", "alone"}, {"namespace", "default"}}},
                           {"spec", {{"accessModes", modes}, {"volumeName", "disk"}}},
                           {"status", {{"phase", "Pending"}}}});
  w.put({"persistentvolumes", "", "disk"},
        {{"kind", "PersistentVolume"},
         {"apiVersion", "v1"},
         {"metadata", {{"name", "disk"}}},
         {"spec",
          {{"accessModes", modes}, {"local", {{"path", "/disk"}}}, {"claimRef", {{"uid", claim->uid()}}}}}});
  put_status bound{key, claim->uid(), make_document({{"phase", "Bound"}})};
  BOOST_REQUIRE(w.sim.ask<object_ref>(w.registry, bound));
  auto user = [](const char* name) {
    boost::json::object volume{{"name", "v"}, {"persistentVolumeClaim", {{"claimName", "alone"}}}};
    return pod_manifest(name, {{{"name", "c"}}}, {{"volumes", boost::json::array{volume}}});
  };
  w.create(user("old"));
  BOOST_REQUIRE(w.wait([&] { return w.phase("old") == "Running"; }, 10s));
  w.create(user("new"));
  w.sim.run_for(20s);
  BOOST_TEST(w.phase("new") == "Pending");
  BOOST_REQUIRE(w.status_of("new", "c").state.waiting);
  BOOST_TEST(w.status_of("new", "c").state.waiting->reason == "ContainerCreating");
  BOOST_TEST(w.events_with("FailedMount") == 1u);
  // An actor that begins anew has not forgotten who waits.
  w.sim.kill(w.node);
  w.start_node();
  w.sim.run_for(20s);
  BOOST_TEST(w.times(sim_event_kind::started, "c").size() == 1u);
  w.remove("old", 0);
  auto ended = [&] { return w.times(sim_event_kind::exited, "c").size() == 1u; };
  BOOST_TEST(w.wait(ended, 60s));
  BOOST_TEST(w.wait([&] { return w.phase("new") == "Running"; }, 10s));
  // Also one that went while no daemon looked.
  w.create(user("third"));
  w.sim.run_for(5s);
  w.sim.kill(w.node);
  w.remove("new", 0);
  w.start_node();
  BOOST_TEST(w.wait([&] { return w.phase("third") == "Running"; }, 60s));
  auto starts = w.times(sim_event_kind::started, "c"), exits = w.times(sim_event_kind::exited, "c");
  BOOST_REQUIRE(starts.size() == 3u);
  BOOST_REQUIRE(exits.size() == 2u);
  BOOST_TEST(exits.back() < starts.back());
}

BOOST_AUTO_TEST_CASE(a_rejected_pod_fails_and_can_be_deleted) {
  node_world w;
  w.start_node();
  w.sim.run_for(5s);
  w.create(pod_manifest(
      "p", {boost::json::object{{"name", "c"}, {"resources", {{"requests", {{"cpu", "1000"}}}}}}}));
  BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Failed"; }, 10s));
  BOOST_TEST(w.pod_of("p").status.reason == "OutOfcpu");
  BOOST_TEST(w.world->list("", w.sim.now()).sandboxes.empty());
  // A restarted daemon has no memory of it, and leaves its reason alone.
  w.sim.kill(w.node);
  w.start_node();
  w.sim.run_for(90s);
  BOOST_TEST(w.pod_of("p").status.reason == "OutOfcpu");
  w.remove("p");
  BOOST_TEST(w.wait([&] { return !w.get("p"); }, 5s));
}

BOOST_AUTO_TEST_SUITE_END()
