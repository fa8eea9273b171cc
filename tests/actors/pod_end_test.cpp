// What of a pod and its instances is left, shown and said when they end: deletions, lost networks, long
// hooks.
#include "node_world.hpp"

using namespace podium;
using namespace podium::test;
using json_object = boost::json::object;

namespace {

json_object box(std::string name, json_object more = {}) {
  more["name"] = name;
  return more;
}

sim_profile crashing(nanoseconds alive, int32_t code) {
  sim_profile p;
  p.runs = {{alive, code}};
  return p;
}

/// A question to the node, asked now; whether and how it was answered.
struct question {
  explicit question(node_world& w) {
    w.sim.system().spawn(
        [heard = heard](caf::event_based_actor* self, const node_actor& node) {
          self->request(node, nanoseconds{1h}, await_removals{})
              .then([heard](const ack&) { *heard = "gone"; },
                    [heard](caf::error& err) { *heard = message_of(err); });
        },
        w.node);
  }
  std::shared_ptr<std::string> heard = std::make_shared<std::string>();
};

bool nothing_left(node_world& w) {
  auto records = w.world->list("", w.sim.now());
  return records.sandboxes.empty() && records.containers.empty()
         && !w.disk->rows.lower_bound("/node/pods/")->first.starts_with("/node/pods/");
}

} // namespace

BOOST_AUTO_TEST_SUITE(pod_ends)

BOOST_AUTO_TEST_CASE(removals_are_through_when_nothing_is_left_of_the_pod) {
  struct row {
    const char* what;
    sim_profile profile;
    json_object spec;
    int64_t grace;
  };
  sim_profile deaf, completed = crashing(1s, 0);
  deaf.signals[15] = {0s, 0, true};
  for (auto& r :
       {row{"force", deaf, {}, 0}, row{"no grace", deaf, {{"terminationGracePeriodSeconds", 0}}, -1},
        row{"completed", completed, {{"restartPolicy", "Never"}}, -1}}) {
    node_world w;
    w.world->set_profile("*", r.profile);
    w.start_node();
    w.create(pod_manifest("p", {box("c")}, r.spec));
    w.sim.run_for(10s);
    w.remove("p", r.grace);
    BOOST_TEST(!w.get("p"), r.what); // the object goes at once
    BOOST_TEST((r.profile.runs.empty() ? !nothing_left(w) : true), r.what);
    question asked{w};
    BOOST_REQUIRE_MESSAGE(w.wait([&] { return !asked.heard->empty(); }, 60s), r.what);
    BOOST_TEST(*asked.heard == "gone", r.what);
    BOOST_TEST(nothing_left(w), r.what);
    w.check_invariants();
  }
}

BOOST_AUTO_TEST_CASE(who_waits_for_removals_waits_for_no_pod_that_stays) {
  node_world w;
  w.start_node();
  w.create(pod_manifest("p", {box("c")}));
  w.sim.run_for(10s);
  question asked{w};
  BOOST_REQUIRE(w.wait([&] { return !asked.heard->empty(); }, 1s));
  BOOST_TEST(*asked.heard == "gone");
  BOOST_TEST(w.phase("p") == "Running");
}

BOOST_AUTO_TEST_CASE(who_waits_hears_of_the_nodes_end) {
  node_world w;
  sim_profile deaf;
  deaf.signals[15] = {0s, 0, true};
  w.world->set_profile("*", deaf);
  w.start_node();
  w.create(pod_manifest("p", {box("c")}));
  w.sim.run_for(10s);
  w.remove("p", 0);
  question asked{w};
  w.sim.run_for(100ms);
  BOOST_TEST(*asked.heard == "");
  w.sim.kill(w.node);
  w.sim.run_for(100ms);
  BOOST_TEST(*asked.heard == "the node has ended");
}

BOOST_AUTO_TEST_CASE(a_deleted_crash_loop_shows_how_its_last_instance_ended) {
  node_world w;
  w.world->set_profile("*", crashing(1s, 3));
  w.start_node();
  auto manifest = pod_manifest("p", {box("c")});
  manifest.at("metadata").as_object()["finalizers"] = {"test/hold"};
  w.create(manifest);
  BOOST_REQUIRE(w.wait(
      [&] {
        auto s = w.status_of("p", "c");
        return s.restart_count == 2 && s.state.waiting && s.state.waiting->reason == "CrashLoopBackOff";
      },
      120s));
  w.remove("p");
  BOOST_REQUIRE(w.wait([&] { return w.status_of("p", "c").state.terminated.has_value(); }, 60s));
  auto s = w.status_of("p", "c");
  BOOST_TEST(s.state.terminated->exit_code == 3);
  BOOST_TEST(s.state.terminated->reason == "Error");
  BOOST_REQUIRE(s.last_state.terminated);
  BOOST_TEST(s.last_state.terminated->exit_code == 3);
  BOOST_TEST(s.last_state.terminated->container_id != s.state.terminated->container_id);
}

BOOST_AUTO_TEST_CASE(every_back_off_has_its_event_also_at_the_largest_delay) {
  node_world w;
  w.settings.crash_loop.max = 10s;
  w.world->set_profile("*", crashing(1s, 1));
  w.start_node();
  w.create(pod_manifest("p", {box("c")}));
  w.sim.run_for(100s);
  auto starts = w.times(sim_event_kind::started, "c").size();
  BOOST_TEST(starts > 8u);
  // The second start waited for nothing.
  BOOST_TEST(w.events_with("BackOff") >= starts - 2);
}

BOOST_AUTO_TEST_CASE(a_post_start_hook_may_take_longer_than_any_request) {
  node_world w;
  sim_profile p;
  p.execs = {{.command = "warm up", .latency = 10min}};
  w.world->set_profile("*", p);
  w.start_node();
  json_object hook{{"postStart", {{"exec", {{"command", {"warm", "up"}}}}}}};
  w.create(pod_manifest("p", {box("c", {{"lifecycle", hook}})}));
  w.sim.run_for(20min);
  BOOST_TEST(w.events_with("FailedPostStartHook") == 0u);
  BOOST_TEST(w.times(sim_event_kind::started, "c").size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_sandbox_that_lost_its_network_is_made_anew_with_all_in_it) {
  node_world w;
  w.start_node();
  w.create(pod_manifest("p", {box("a"), box("b")}));
  w.create(pod_manifest("never", {box("once")}, {{"restartPolicy", "Never"}}));
  w.create(pod_manifest("host", {box("h")}, {{"hostNetwork", true}}));
  w.sim.run_for(10s);
  auto before = w.pod_of("p").status;
  w.sim.kill(w.node);
  w.world->lose_networks();
  w.sim.run_for(1s);
  w.start_node();
  BOOST_REQUIRE(
      w.wait([&] { return w.status_of("p", "a").restart_count == 1 && w.status_of("p", "b").ready; }, 90s));
  w.sim.run_for(30s);
  auto after = w.pod_of("p").status;
  BOOST_TEST(after.pod_ip != before.pod_ip);
  BOOST_TEST(!after.pod_ip.empty());
  BOOST_TEST(w.condition_of("p", "Ready") == "True");
  for (auto* c : {"a", "b"})
    BOOST_TEST(w.times(sim_event_kind::started, c).size() == 2u, c);
  // As the kubelet has it: who is never started again has failed.
  BOOST_TEST(w.phase("never") == "Failed");
  BOOST_TEST(w.times(sim_event_kind::started, "once").size() == 1u);
  BOOST_TEST(w.times(sim_event_kind::started, "h").size() == 1u);
  BOOST_TEST(w.events_with("SandboxChanged") == 2u);
  for (auto& e : *w.said)
    if (e.reason == "SandboxChanged")
      BOOST_TEST(e.message == "Pod sandbox changed, it will be killed and re-created.");
  w.check_invariants();
}

BOOST_AUTO_TEST_CASE(a_sandbox_whose_first_process_ended_is_made_anew_with_all_in_it) {
  node_world w;
  sim_profile first;
  first.runs = {{1s, 0}};
  w.world->set_profile("i", first);
  w.start_node();
  w.create(pod_manifest(
      "p", {box("a"), box("b")},
      {{"shareProcessNamespace", true},
       {"initContainers", {box("i", {{"image", "busybox"}, {"imagePullPolicy", "IfNotPresent"}})}}}));
  w.create(
      pod_manifest("never", {box("once")}, {{"restartPolicy", "Never"}, {"shareProcessNamespace", true}}));
  w.create(pod_manifest("own", {box("o")}));
  // Longer than a question for the end is waited for: it is asked again.
  w.sim.run_for(150s);
  BOOST_TEST(w.condition_of("p", "Ready") == "True");
  auto before = w.pod_of("p").status;
  for (auto* name : {"p", "never"})
    BOOST_TEST(w.world->end_first_process(w.get(name)->uid(), w.sim.now()), name);
  BOOST_TEST(!w.world->end_first_process(w.get("own")->uid(), w.sim.now()));
  BOOST_REQUIRE(
      w.wait([&] { return w.status_of("p", "a").restart_count == 1 && w.status_of("p", "b").ready; }, 20s));
  w.sim.run_for(30s);
  auto after = w.pod_of("p").status;
  BOOST_TEST(w.condition_of("p", "Ready") == "True");
  BOOST_TEST(after.pod_ip != before.pod_ip);
  for (auto* c : {"i", "a", "b"})
    BOOST_TEST(w.times(sim_event_kind::started, c).size() == 2u, c);
  for (auto* c : {"a", "b"}) {
    BOOST_TEST(w.status_of("p", c).restart_count == 1, c);
    BOOST_REQUIRE(w.status_of("p", c).last_state.terminated);
    BOOST_TEST(w.status_of("p", c).last_state.terminated->exit_code == 137, c);
  }
  BOOST_TEST(w.phase("never") == "Failed");
  BOOST_TEST(w.times(sim_event_kind::started, "once").size() == 1u);
  BOOST_TEST(w.times(sim_event_kind::started, "o").size() == 1u);
  BOOST_TEST(w.events_with("SandboxChanged") >= 1u);
  // Once more, and while no daemon looks.
  w.sim.kill(w.node);
  BOOST_TEST(w.world->end_first_process(w.get("p")->uid(), w.sim.now()));
  w.sim.run_for(1s);
  w.start_node();
  BOOST_REQUIRE(
      w.wait([&] { return w.status_of("p", "a").restart_count == 2 && w.status_of("p", "b").ready; }, 90s));
  w.check_invariants();
}

BOOST_AUTO_TEST_CASE(resources_that_others_give_the_node_stay_and_can_be_had) {
  node_world w;
  w.start_node();
  w.sim.run_for(5s);
  object_key key{"nodes", "", "node"};
  auto node = [&] { return w.view->snapshot("nodes")->find("", "node"); };
  auto document = node()->document();
  document.at("status").at("capacity").as_object()["example.com/fake"] = "5";
  BOOST_REQUIRE(
      w.sim.ask<object_ref>(w.registry, update_object{key, make_document(document), update_part::status}));
  auto there = [&] {
    auto& s = node()->as_node().status;
    auto has = [](const quantity_map& all) {
      auto found = all.find("example.com/fake");
      return found != all.end() && found->second == "5";
    };
    return has(s.capacity) && has(s.allocatable);
  };
  BOOST_TEST(w.wait(there, 2s));
  w.sim.run_for(10min);
  BOOST_TEST(there());
}

BOOST_AUTO_TEST_CASE(a_node_that_is_deleted_registers_again_at_once_and_keeps_its_pods) {
  node_world w;
  w.start_node();
  w.create(pod_manifest("p", {boost::json::object{{"name", "c"}}}));
  BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Running"; }, 30s));
  auto node = [&] { return w.view->snapshot("nodes")->find("", "node"); };
  for (int i = 0; i < 3; ++i) {
    auto before = node()->uid();
    delete_object request;
    request.key = {"nodes", "", "node"};
    BOOST_REQUIRE(w.sim.ask<delete_result>(w.registry, request));
    BOOST_TEST(w.wait([&] { return node() && node()->uid() != before; }, 1s));
  }
  BOOST_TEST(w.phase("p") == "Running");
  BOOST_TEST(w.events_with("Starting") == 1u);
  BOOST_TEST(w.world->history(w.sim.now()).of(sim_event_kind::started, "c").size() == 1u);
  w.remove("p", 0);
  BOOST_TEST(w.wait([&] { return !w.get("p"); }, 30s));
}

BOOST_AUTO_TEST_SUITE_END()
