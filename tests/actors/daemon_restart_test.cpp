// A daemon that comes back: what others did meanwhile, and what it must not take for news.
#include "node_world.hpp"

using namespace podium;
using namespace podium::test;
using boost::json::array;
using json_object = boost::json::object;

BOOST_AUTO_TEST_SUITE(daemon_restart)

BOOST_AUTO_TEST_CASE(resources_that_others_gave_the_node_stay) {
  node_world w;
  w.start_node();
  auto node = [&] { return w.view->snapshot("nodes")->find("", "node"); };
  BOOST_REQUIRE(w.wait([&] { return static_cast<bool>(node()); }, 5s));
  auto give = [&](bool gpu) {
    auto document = node()->document();
    auto& capacity = document.at("status").at("capacity").as_object();
    capacity.erase("v.example/gpu");
    if (gpu) capacity["v.example/gpu"] = "5";
    update_object request{node()->key(), make_document(std::move(document)), update_part::status};
    BOOST_REQUIRE(w.sim.ask<object_ref>(w.registry, request));
  };
  auto has = [&](const char* list) {
    return node()->document().at("status").at(list).as_object().contains("v.example/gpu");
  };
  give(true);
  BOOST_TEST(w.wait([&] { return has("allocatable"); }, 1s));
  for (int life = 0; life < 3; ++life) {
    w.sim.kill(w.node);
    auto before = node()->resource_version();
    w.start_node();
    w.sim.run_for(60s);
    BOOST_TEST(has("capacity"));
    BOOST_TEST(has("allocatable"));
    // Nor does it answer itself: the versions are counted for all objects, its lease's among them.
    BOOST_TEST(node()->resource_version() - before < 30u);
  }
  give(false);
  BOOST_TEST(w.wait([&] { return !has("allocatable"); }, 1s));
}

BOOST_AUTO_TEST_CASE(a_pod_on_the_nodes_network_is_taken_over_whatever_its_volumes_do) {
  node_world w;
  sim_profile serves;
  serves.ports = {{.port = 80}};
  w.world->set_profile("*", serves);
  w.start_node();
  object_key map{"configmaps", "default", "x"};
  w.put(map, {{"kind", "ConfigMap"},
              {"apiVersion", "v1"},
              {"metadata", {{"name", "x"}, {"namespace", "default"}}},
              {"data", {{"k", "v"}}}});
  json_object container{{"name", "c"},
                        {"volumeMounts", array{json_object{{"name", "v"}, {"mountPath", "/v"}}}},
                        {"livenessProbe", {{"httpGet", {{"port", 80}}}, {"periodSeconds", 1}}}};
  w.create(pod_manifest("p", {container},
                        {{"hostNetwork", true},
                         {"volumes", array{json_object{{"name", "v"}, {"configMap", {{"name", "x"}}}}}}}));
  auto ready = [&] { return w.condition_of("p", "Ready") == "True"; };
  BOOST_REQUIRE(w.wait(ready, 10s));
  auto address = w.pod_of("p").status.pod_ip;
  BOOST_TEST(!address.empty());
  delete_object gone;
  gone.key = map;
  BOOST_REQUIRE(w.sim.ask<delete_result>(w.registry, gone));
  w.sim.kill(w.node);
  w.start_node();
  w.sim.run_for(60s);
  BOOST_TEST(w.pod_of("p").status.pod_ip == address);
  BOOST_TEST(w.condition_of("p", "PodReadyToStartContainers") == "True");
  BOOST_TEST(ready());
  BOOST_TEST(w.times(sim_event_kind::started, "c").size() == 1u);
  BOOST_TEST(w.times(sim_event_kind::exited, "c").empty());
}

BOOST_AUTO_TEST_SUITE_END()
