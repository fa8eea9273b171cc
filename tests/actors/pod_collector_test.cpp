#include "actors/pod_collector.hpp"

#include "tests/actors/registry_world.hpp"

using namespace podium;
using namespace podium::test;

namespace {

struct world : registry_world {
  pod_collector_actor collector;

  world() {
    collector = spawn_pod_collector(*sys, env, registry);
    run_for(1ms);
  }
  ~world() {
    caf::anon_send_exit(collector, caf::exit_reason::kill);
    run_for(0s);
  }
  static object_key node(const std::string& name) { return {"nodes", "", name}; }
  void add_node(const std::string& name) {
    create(node(name), {{"metadata", {{"name", name}}}});
    run_for(1ms);
  }
  bool there(const object_key& key) const { return static_cast<bool>(find(key)); }
  void add_pod(const std::string& name, const std::string& on) {
    create(pod_key(name), pod_document(name, {{"nodeName", on}}));
    run_for(1ms);
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(pod_collector_suite)

BOOST_AUTO_TEST_CASE(what_is_written_on_an_orphan) {
  auto marked = collector_rules::orphaned({{"status", {{"phase", "Running"}}}}, wall_time{});
  BOOST_TEST(marked.at("status").at("phase").as_string() == "Failed");
  auto& condition = marked.at("status").at("conditions").at(0);
  BOOST_TEST(condition.at("type").as_string() == "DisruptionTarget");
  BOOST_TEST(condition.at("reason").as_string() == "DeletionByPodGC");
  auto ended = collector_rules::orphaned({{"status", {{"phase", "Succeeded"}}}}, wall_time{});
  BOOST_TEST(ended.at("status").at("phase").as_string() == "Succeeded");
  BOOST_TEST(collector_rules::orphaned(json::object{}, wall_time{}).at("status").at("phase").as_string()
             == "Failed");
}

BOOST_FIXTURE_TEST_CASE(pods_of_a_missing_node_go_after_the_quarantine, world) {
  add_node("n1");
  add_pod("kept", "n1");
  create(pod_key("unbound"), pod_document("unbound"));
  add_pod("lost", "nowhere");
  add_pod("leaving", "nowhere");
  remove(pod_key("leaving"), 30); // nobody is there to end it
  run_for(39s);
  BOOST_TEST(there(pod_key("lost")));
  BOOST_TEST(there(pod_key("leaving")));
  run_for(2s);
  BOOST_TEST(!there(pod_key("lost")));
  BOOST_TEST(!there(pod_key("leaving")));
  BOOST_TEST(there(pod_key("kept")));
  BOOST_TEST(there(pod_key("unbound")));
}

BOOST_FIXTURE_TEST_CASE(a_finalizer_shows_what_was_written, world) {
  auto document = pod_document("held", {{"nodeName", "nowhere"}});
  document.at("metadata").as_object()["finalizers"] = json::array{"example.com/hold"};
  create(pod_key("held"), document);
  run_for(42s);
  auto held = find(pod_key("held"));
  BOOST_REQUIRE(held.ptr);
  BOOST_TEST(held->meta().deletion_timestamp.has_value());
  BOOST_TEST(at(held, "/status/phase") == "Failed");
  BOOST_TEST(at(held, "/status/conditions/0/reason") == "DeletionByPodGC");
}

BOOST_FIXTURE_TEST_CASE(a_node_that_comes_back_keeps_its_pods, world) {
  add_node("n1");
  add_pod("p", "n1");
  for (int i = 0; i < 5; ++i) {
    remove(node("n1"));
    run_for(30s);
    add_node("n1");
  }
  run_for(60s);
  BOOST_TEST(there(pod_key("p")));
  remove(node("n1"));
  run_for(41s);
  BOOST_TEST(!there(pod_key("p")));
}

BOOST_AUTO_TEST_SUITE_END()
