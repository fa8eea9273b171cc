#include "actors/taint_eviction.hpp"

#include "tests/actors/registry_world.hpp"

using namespace podium;
using namespace podium::test;

namespace {

taint no_execute(const std::string& key, const std::string& value = {}) {
  return {key, value, "NoExecute", {}};
}
toleration tolerating(const std::string& key, std::optional<int64_t> seconds = {}) {
  return {key, "Exists", {}, {}, seconds};
}

struct world : registry_world {
  taint_eviction_actor controller;
  const object_key node{"nodes", "", "n1"};

  world() {
    controller = spawn_taint_eviction(*sys, env, registry, {});
    run_for(1ms);
    set_taints(json::array{});
  }
  ~world() {
    caf::anon_send_exit(controller, caf::exit_reason::kill);
    run_for(0s);
  }
  void set_taints(json::array taints) {
    json::value document{{"metadata", {{"name", "n1"}}}, {"spec", {{"taints", std::move(taints)}}}};
    if (find(node))
      update(node, std::move(document));
    else
      create(node, std::move(document));
    run_for(1ms);
  }
  static json::array taints(const std::string& effect) {
    return {{{"key", "k"}, {"value", "v"}, {"effect", effect}}};
  }
  void pod_on_node(const std::string& name, json::array tolerations = {}) {
    create(pod_key(name), pod_document(name, {{"nodeName", "n1"}, {"tolerations", std::move(tolerations)}}));
    run_for(1ms);
  }
  bool going(const std::string& name) {
    auto ref = find(pod_key(name));
    return !ref || ref->meta().deletion_timestamp.has_value();
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(taint_eviction_suite)

BOOST_AUTO_TEST_CASE(how_long_a_pod_may_stay) {
  using taint_rules::may_stay;
  BOOST_TEST(!may_stay({}, {}));
  BOOST_TEST(!may_stay({}, {{"a", "", "NoSchedule", {}}}));
  BOOST_TEST((may_stay({}, {no_execute("a")}) == nanoseconds{0}));
  BOOST_TEST(!may_stay({tolerating("a")}, {no_execute("a")}));
  BOOST_TEST((may_stay({tolerating("a")}, {no_execute("a"), no_execute("b")}) == nanoseconds{0}));
  BOOST_TEST(
      (may_stay({tolerating("a", 30), tolerating("b", 10)}, {no_execute("a"), no_execute("b")}) == 10s));
  BOOST_TEST((may_stay({tolerating("a", -5)}, {no_execute("a")}) == 0s));
  BOOST_TEST(
      (may_stay({tolerating("a", std::numeric_limits<int64_t>::max())}, {no_execute("a")}) > 24h * 365));
  BOOST_TEST((may_stay({tolerating("", 7)}, {no_execute("a")}) == 7s)); // an empty key is every key
}

BOOST_FIXTURE_TEST_CASE(who_does_not_tolerate_goes_at_once, world) {
  pod_on_node("stays", {{{"key", "k"}, {"operator", "Exists"}}});
  pod_on_node("goes");
  create(pod_key("elsewhere"), pod_document("elsewhere", {{"nodeName", "n2"}}));
  create(pod_key("unbound"), pod_document("unbound"));
  set_taints(taints("NoSchedule"));
  BOOST_TEST(!going("goes"));
  set_taints(taints("NoExecute"));
  BOOST_TEST(going("goes"));
  BOOST_TEST(find(pod_key("goes"))->json().find("DeletionByTaintManager") != std::string::npos);
  for (auto name : {"stays", "elsewhere", "unbound"})
    BOOST_TEST(!going(name), name);
  pod_on_node("late"); // bound past the scheduler
  BOOST_TEST(going("late"));
}

BOOST_FIXTURE_TEST_CASE(a_time_that_is_tolerated_is_given_once, world) {
  pod_on_node("p", {{{"key", "k"}, {"operator", "Exists"}, {"tolerationSeconds", 60}}});
  set_taints(taints("NoExecute"));
  run_for(40s);
  // Neither another version of the pod nor of the taint gives more time; the taint's end does.
  update(pod_key("p"), find(pod_key("p"))->document());
  set_taints({{{"key", "k"}, {"value", "other"}, {"effect", "NoExecute"}}});
  BOOST_TEST(!going("p"));
  run_for(21s);
  BOOST_TEST(going("p"));
  pod_on_node("q", {{{"key", "k"}, {"operator", "Exists"}, {"tolerationSeconds", 60}}});
  run_for(50s);
  set_taints({});
  run_for(50s);
  BOOST_TEST(!going("q"));
  set_taints(taints("NoExecute"));
  run_for(50s);
  BOOST_TEST(!going("q"));
  run_for(11s);
  BOOST_TEST(going("q"));
}

BOOST_AUTO_TEST_SUITE_END()
