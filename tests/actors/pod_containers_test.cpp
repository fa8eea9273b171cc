// Init containers, sidecars and ephemeral containers under virtual time. Source: pod-semantics §3.6, §4, §9.
#include "node_world.hpp"

using namespace podium;
using namespace podium::test;
using json_object = boost::json::object;
using json_array = boost::json::array;

namespace {

json_object box(std::string name, json_object more = {}) {
  more["name"] = name;
  more["image"] = "busybox";
  more["imagePullPolicy"] = "IfNotPresent";
  return more;
}

json_object sidecar(std::string name, json_object more = {}) {
  more["restartPolicy"] = "Always";
  return box(std::move(name), std::move(more));
}

sim_profile ends(nanoseconds alive, int32_t code) {
  sim_profile p;
  p.runs = {{alive, code}};
  return p;
}

/// Ends `delay` after SIGTERM.
sim_profile slow_end(nanoseconds delay) {
  sim_profile p;
  p.signals[15] = {delay, 0};
  return p;
}

double at(node_world& w) {
  return std::chrono::duration<double>(w.sim.now().time_since_epoch()).count();
}

container_status init_status(node_world& w, const std::string& container) {
  auto p = w.pod_of("p");
  for (auto& s : p.status.init_container_statuses)
    if (s.name.value == container) return s;
  return {};
}

std::vector<int64_t> waits_of(node_world& w, const std::string& container) {
  auto starts = w.times(sim_event_kind::started, container);
  auto exits = w.times(sim_event_kind::exited, container);
  std::vector<int64_t> out;
  for (size_t i = 1; i < starts.size(); ++i)
    out.push_back(std::llround((starts[i] - exits[i - 1]) * 1000));
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(pod_containers)

BOOST_AUTO_TEST_CASE(init_containers_run_one_after_the_other_and_then_the_rest) {
  node_world w;
  w.world->set_profile("first", ends(3s, 0));
  w.world->set_profile("second", ends(4s, 0));
  w.start_node();
  w.create(pod_manifest("p", {box("a"), box("b")}, {{"initContainers", {box("first"), box("second")}}}));
  w.sim.run_for(1s);
  BOOST_TEST(w.phase("p") == "Pending");
  BOOST_TEST(w.condition_of("p", "Initialized") == "False");
  BOOST_TEST(w.status_of("p", "a").state.waiting->reason == "PodInitializing");
  BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Running"; }, 20s));
  auto first = w.times(sim_event_kind::exited, "first"), second = w.times(sim_event_kind::started, "second");
  BOOST_TEST(second.at(0) >= first.at(0));
  BOOST_TEST(w.times(sim_event_kind::started, "a").at(0) >= w.times(sim_event_kind::exited, "second").at(0));
  w.sim.run_for(60s);
  BOOST_TEST(w.condition_of("p", "Initialized") == "True");
  BOOST_TEST(init_status(w, "first").ready);
  BOOST_TEST(init_status(w, "first").state.terminated->reason == "Completed");
  BOOST_TEST(w.times(sim_event_kind::started, "first").size() == 1u); // though the pod's policy is Always
  bool named = false;
  for (auto& e : *w.said)
    named = named || e.field_path == "spec.initContainers{first}";
  BOOST_TEST(named);
  w.remove("p");
  BOOST_TEST(w.wait([&] { return !w.get("p"); }, 5s));
  w.check_invariants();
}

BOOST_AUTO_TEST_CASE(a_failing_init_container_backs_off_by_the_pods_policy) {
  struct row {
    const char *policy, *phase;
    std::vector<int64_t> waits;
  };
  for (auto& r : {row{"Always", "Pending", {0, 10000, 20000}}, row{"OnFailure", "Pending", {0, 10000, 20000}},
                  row{"Never", "Failed", {}}}) {
    node_world w;
    w.world->set_profile("i", ends(1s, 3));
    w.start_node();
    w.create(pod_manifest("p", {box("a")}, {{"initContainers", {box("i")}}, {"restartPolicy", r.policy}}));
    w.sim.run_for(50s);
    BOOST_TEST(w.phase("p") == r.phase, r.policy);
    BOOST_TEST(waits_of(w, "i") == r.waits, boost::test_tools::per_element());
    BOOST_TEST(w.times(sim_event_kind::created, "a").empty(), r.policy);
    auto s = init_status(w, "i");
    if (r.waits.empty())
      BOOST_TEST(s.state.terminated->exit_code == 3);
    else
      BOOST_TEST(s.state.waiting->reason == "CrashLoopBackOff");
    w.check_invariants();
  }
}

BOOST_AUTO_TEST_CASE(a_sidecar_gates_by_its_startup_probe) {
  node_world w;
  sim_profile proxy;
  proxy.ports = {{8080, 7s, forever}};
  w.world->set_profile("proxy", proxy);
  w.world->set_profile("i", ends(2s, 0));
  w.start_node();
  w.sim.run_for(100s);
  json_object startup{
      {"httpGet", {{"path", "/"}, {"port", 8080}}}, {"periodSeconds", 1}, {"failureThreshold", 30}};
  w.create(pod_manifest("p", {box("a")},
                        {{"initContainers", {sidecar("proxy", {{"startupProbe", startup}}), box("i")}}}));
  BOOST_REQUIRE(w.wait([&] { return w.condition_of("p", "Ready") == "True"; }, 30s));
  auto proxy_at = w.times(sim_event_kind::started, "proxy").at(0);
  BOOST_TEST(std::llround(w.times(sim_event_kind::started, "i").at(0) - proxy_at) == 7);
  BOOST_TEST(std::llround(w.times(sim_event_kind::started, "a").at(0) - proxy_at) == 9);
  BOOST_TEST(w.times(sim_event_kind::exited, "proxy").empty());
}

// §9: Sidecars A, B and main, which ends 5 s after SIGTERM.
BOOST_AUTO_TEST_CASE(sidecars_end_last_and_in_reverse) {
  node_world w;
  w.world->set_profile("main", slow_end(5s));
  w.world->set_profile("b", slow_end(3s));
  w.world->set_profile("a", slow_end(1s));
  w.start_node();
  w.create(pod_manifest("p", {box("main")}, {{"initContainers", {sidecar("a"), sidecar("b")}}}));
  BOOST_REQUIRE(w.wait([&] { return w.condition_of("p", "Ready") == "True"; }, 10s));
  auto t0 = at(w);
  w.remove("p");
  BOOST_REQUIRE(w.wait([&] { return !w.get("p"); }, 40s));
  auto near = boost::test_tools::tolerance(0.01);
  BOOST_TEST(w.times(sim_event_kind::signalled, "main").at(0) - t0 + 1 == 1, near);
  BOOST_TEST(w.times(sim_event_kind::signalled, "b").at(0) - t0 == 5, near);
  BOOST_TEST(w.times(sim_event_kind::signalled, "a").at(0) - t0 == 8, near);
  w.check_invariants();
}

BOOST_AUTO_TEST_CASE(the_grace_is_shared_and_the_minimum_is_left) {
  node_world w;
  sim_profile deaf;
  deaf.signals[15] = {0s, 0, true};
  deaf.execs = {{"bye", 0s, forever, 0, 4s}};
  w.world->set_profile("*", deaf);
  w.start_node();
  json_object hook{{"preStop", {{"exec", {{"command", {"bye"}}}}}}};
  w.create(pod_manifest(
      "p", {box("main")},
      {{"initContainers", {sidecar("a", {{"lifecycle", hook}})}}, {"terminationGracePeriodSeconds", 10}}));
  BOOST_REQUIRE(w.wait([&] { return w.condition_of("p", "Ready") == "True"; }, 10s));
  auto t0 = at(w);
  w.remove("p");
  BOOST_REQUIRE(w.wait([&] { return !w.get("p"); }, 40s));
  auto near = boost::test_tools::tolerance(0.01);
  auto main = w.times(sim_event_kind::signalled, "main"), a = w.times(sim_event_kind::signalled, "a");
  BOOST_REQUIRE(main.size() == 2u);
  BOOST_REQUIRE(a.size() == 2u);
  BOOST_TEST(main[1] - t0 == 10, near); // SIGKILL
  BOOST_TEST(a[0] - t0 == 10, near);    // its turn: its hook ran at once, and the grace is used up
  BOOST_TEST(a[1] - t0 == 12, near);
  // Each escalation says so.
  size_t escalations = 0;
  for (auto& e : *w.said)
    escalations +=
        e.message.find("did not end within its grace of 10s, sending SIGKILL") != std::string::npos;
  BOOST_TEST(escalations == 2u);
}

BOOST_AUTO_TEST_CASE(what_is_said_of_a_kill_agrees_with_itself) {
  struct row {
    int64_t grace;
    const char *announced, *came;
  };
  // Two seconds are left after the stop signal, whatever the grace.
  for (auto& r : {row{1, "SIGKILL after 2s", "within its grace of 2s"},
                  row{7, "SIGKILL after 7s", "within its grace of 7s"}}) {
    node_world w;
    sim_profile deaf;
    deaf.signals[15] = {0s, 0, true};
    w.world->set_profile("*", deaf);
    w.start_node();
    w.create(pod_manifest("p", {box("c")}, {{"terminationGracePeriodSeconds", r.grace}}));
    BOOST_REQUIRE(w.wait([&] { return w.condition_of("p", "Ready") == "True"; }, 10s));
    w.remove("p");
    BOOST_REQUIRE(w.wait([&] { return !w.get("p"); }, 20s));
    std::string said;
    for (auto& e : *w.said)
      if (e.reason == "Killing") said += e.message + "\n";
    BOOST_TEST(said.find(r.announced) != std::string::npos, said);
    BOOST_TEST(said.find(r.came) != std::string::npos, said);
  }
}

BOOST_AUTO_TEST_CASE(sidecars_come_again_until_the_others_are_done_and_never_fail_a_pod) {
  node_world w;
  w.world->set_profile("side", ends(2s, 1));
  w.world->set_profile("main", ends(15s, 0));
  w.start_node();
  w.create(
      pod_manifest("p", {box("main")}, {{"initContainers", {sidecar("side")}}, {"restartPolicy", "Never"}}));
  w.sim.run_for(60s);
  BOOST_TEST(w.phase("p") == "Succeeded");
  BOOST_TEST(w.times(sim_event_kind::started, "side").size() >= 2u);
  BOOST_TEST(w.times(sim_event_kind::started, "main").size() == 1u);
  w.check_invariants();
}

BOOST_AUTO_TEST_CASE(a_job_with_a_sidecar_completes) {
  node_world w;
  w.world->set_profile("main", ends(15s, 0));
  w.start_node();
  w.create(pod_manifest("p", {box("main")},
                        {{"initContainers", {sidecar("side")}}, {"restartPolicy", "OnFailure"}}));
  BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Succeeded"; }, 30s));
  auto ended = w.times(sim_event_kind::exited, "side");
  BOOST_REQUIRE(ended.size() == 1u);
  BOOST_TEST(ended[0] >= w.times(sim_event_kind::exited, "main").at(0));
  bool told = false;
  for (auto& e : *w.said)
    told = told || e.message.starts_with("Stopping container side: all containers have ended; ");
  BOOST_TEST(told);
}

BOOST_AUTO_TEST_CASE(ephemeral_containers_come_with_an_update_and_never_again) {
  node_world w;
  w.world->set_profile("debug", ends(5s, 1));
  w.start_node();
  w.create(pod_manifest("p", {box("a")}));
  BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Running"; }, 5s));
  auto document = w.get("p")->document();
  document.at("spec").as_object()["ephemeralContainers"] = json_array{box("debug")};
  update_object update;
  update.key = {"pods", "default", "p"};
  update.document = make_document(std::move(document));
  BOOST_REQUIRE(w.sim.ask<object_ref>(w.registry, update));
  BOOST_REQUIRE(w.wait([&] { return w.times(sim_event_kind::started, "debug").size() == 1; }, 5s));
  BOOST_TEST(bool(w.pod_of("p").status.ephemeral_container_statuses.at(0).state.running));
  w.sim.run_for(60s);
  BOOST_TEST(w.times(sim_event_kind::started, "debug").size() == 1u);
  auto s = w.pod_of("p").status.ephemeral_container_statuses.at(0);
  BOOST_TEST(s.state.terminated->exit_code == 1);
  BOOST_TEST(w.phase("p") == "Running");
  BOOST_TEST(w.condition_of("p", "Ready") == "True");
  w.remove("p");
  BOOST_TEST(w.wait([&] { return !w.get("p"); }, 5s));
  w.check_invariants();
}

BOOST_AUTO_TEST_CASE(a_restarted_daemon_runs_no_init_container_again) {
  node_world w;
  w.world->set_profile("i", ends(1s, 0));
  w.start_node();
  w.create(pod_manifest("p", {box("a")}, {{"initContainers", {sidecar("side"), box("i")}}}));
  BOOST_REQUIRE(w.wait([&] { return w.condition_of("p", "Ready") == "True"; }, 10s));
  w.sim.kill(w.node);
  w.sim.run_for(1s);
  w.start_node();
  w.sim.run_for(90s);
  for (auto* c : {"i", "side", "a"})
    BOOST_TEST(w.times(sim_event_kind::started, c).size() == 1u, c);
  BOOST_TEST(w.condition_of("p", "Ready") == "True");
}

BOOST_AUTO_TEST_CASE(a_new_sandbox_runs_init_containers_again) {
  for (bool power : {true, false}) {
    node_world w;
    w.world->set_profile("i", ends(1s, 0));
    w.start_node();
    w.create(pod_manifest("p", {box("a")}, {{"initContainers", {box("i"), sidecar("side")}}}));
    BOOST_REQUIRE(w.wait([&] { return w.condition_of("p", "Ready") == "True"; }, 10s));
    w.sim.kill(w.node);
    if (power) {
      w.sim.kill(w.runtime);
      w.world->lose_power(w.sim.now());
      w.runtime = w.sim.spawn<sim_runtime>("runtime", w.world);
    } else {
      w.world->lose_networks();
    }
    w.start_node();
    BOOST_REQUIRE(w.wait(
        [&] { return w.status_of("p", "a").restart_count == 1 && w.condition_of("p", "Ready") == "True"; },
        90s));
    auto i = w.times(sim_event_kind::started, "i"), side = w.times(sim_event_kind::started, "side"),
         a = w.times(sim_event_kind::started, "a");
    BOOST_REQUIRE(i.size() == 2u);
    BOOST_REQUIRE(side.size() == 2u);
    BOOST_TEST(side[1] >= i[1] + 1);
    BOOST_TEST(a[1] >= side[1]);
    w.check_invariants();
  }
}

BOOST_AUTO_TEST_CASE(a_rule_restarts_all_containers_in_place) {
  node_world w;
  sim_profile main;
  main.runs = {{5s, 42}, {forever, 0}};
  w.world->set_profile("main", main);
  w.world->set_profile("i", ends(1s, 0));
  sim_profile deaf;
  deaf.signals[15] = {0s, 0, true};
  w.world->set_profile("side", deaf);
  w.world->set_profile("once", ends(1s, 0));
  w.start_node();
  json_array rules{
      json_object{{"action", "RestartAllContainers"}, {"exitCodes", {{"operator", "In"}, {"values", {42}}}}}};
  json_object hook{{"preStop", {{"exec", {{"command", {"bye"}}}}}}};
  w.create(pod_manifest(
      "p", {box("main", {{"restartPolicy", "Never"}, {"restartPolicyRules", rules}}), box("once")},
      {{"initContainers", {box("i"), sidecar("side", {{"lifecycle", hook}})}}, {"restartPolicy", "Never"}}));
  BOOST_REQUIRE(w.wait([&] { return !w.times(sim_event_kind::exited, "main").empty(); }, 20s));
  auto sandboxes = w.times(sim_event_kind::sandbox_created, "").size();
  w.sim.run_for(1s);
  BOOST_TEST(w.phase("p") != "Failed");
  BOOST_TEST(w.status_of("p", "main").state.waiting->reason == "RestartingAllContainers");
  auto restarting = [&] {
    for (auto& c : w.pod_of("p").status.conditions)
      if (c.type == "AllContainersRestarting") return c.status + ' ' + c.reason + ' ' + c.message;
    return std::string{"none"};
  };
  BOOST_TEST(restarting() == "True RestartAllContainersStarted container exited with restart policy rule");
  auto exited = w.times(sim_event_kind::exited, "main")[0];
  BOOST_REQUIRE(w.wait([&] { return w.times(sim_event_kind::started, "main").size() == 2; }, 20s));
  for (auto* c : {"i", "side", "main", "once"})
    BOOST_TEST(w.times(sim_event_kind::started, c).size() == 2u, c);
  // No hook, and two seconds between the signals.
  auto signals = w.times(sim_event_kind::signalled, "side");
  BOOST_REQUIRE(signals.size() == 2u);
  BOOST_TEST(signals[0] - exited + 1 == 1, boost::test_tools::tolerance(0.01));
  BOOST_TEST(signals[1] - exited == 2, boost::test_tools::tolerance(0.01));
  BOOST_TEST(w.times(sim_event_kind::started, "i")[1] >= signals[1]);
  w.sim.run_for(30s);
  BOOST_TEST(w.status_of("p", "main").restart_count == 1);
  BOOST_TEST(w.phase("p") == "Running");
  BOOST_TEST(w.times(sim_event_kind::sandbox_created, "").size() == sandboxes);
  BOOST_TEST(restarting() == "False  ");
  w.check_invariants();
}

BOOST_AUTO_TEST_CASE(a_rule_restarts_one_container_of_a_pod_that_never_does) {
  node_world w;
  sim_profile main;
  main.runs = {{2s, 42}, {2s, 42}, {2s, 1}};
  w.world->set_profile("main", main);
  w.start_node();
  json_array rules{json_object{{"action", "Restart"}, {"exitCodes", {{"operator", "In"}, {"values", {42}}}}}};
  w.create(pod_manifest("p", {box("main", {{"restartPolicy", "Never"}, {"restartPolicyRules", rules}})},
                        {{"restartPolicy", "Never"}}));
  w.sim.run_for(60s);
  BOOST_TEST(w.times(sim_event_kind::started, "main").size() == 3u);
  BOOST_TEST(w.phase("p") == "Failed");
  BOOST_TEST((waits_of(w, "main") == std::vector<int64_t>{0, 10000}));
}

BOOST_AUTO_TEST_CASE(a_pods_annotations_set_its_back_off_and_periods) {
  node_world w;
  sim_profile p;
  p.runs = {{100ms, 1}};
  p.ports = {{8080, 350ms, forever}};
  w.world->set_profile("crash", p);
  p.runs.clear();
  w.world->set_profile("web", p);
  w.start_node();
  w.sim.run_for(100s);
  auto manifest = pod_manifest(
      "p",
      {box("crash"), box("web", {{"startupProbe", json_object{{"httpGet", {{"path", "/"}, {"port", 8080}}},
                                                              {"failureThreshold", 9}}}})});
  manifest.at("metadata").as_object()["annotations"] = {
      {"podium.io/crash-loop-back-off", "first=10ms, factor=2,max=50ms,reset=1m"},
      {"podium.io/probe-period", "web.startup=100ms"}};
  w.create(manifest);
  w.sim.run_for(900ms);
  auto waits = waits_of(w, "crash");
  waits.resize(6);
  BOOST_TEST(waits == (std::vector<int64_t>{0, 10, 20, 40, 50, 50}), boost::test_tools::per_element());
  BOOST_TEST(w.status_of("p", "web").started.value_or(false));
  BOOST_TEST(w.events_with("InvalidAnnotation") == 0u);
}

BOOST_AUTO_TEST_CASE(an_annotation_that_cannot_be_read_is_told_and_passed_over) {
  for (auto* text :
       {"first=10", "factor=0.5", "first=1s,,", "first=-1s", "what=1s", "", "factor=nan", "first=0s"}) {
    node_world w;
    w.world->set_profile("*", ends(1s, 1));
    w.start_node();
    auto manifest = pod_manifest("p", {box("c")});
    manifest.at("metadata").as_object()["annotations"] = {{"podium.io/crash-loop-back-off", text},
                                                          {"podium.io/probe-period", "c.liveness=1s"}};
    w.create(manifest);
    w.sim.run_for(40s);
    BOOST_TEST(w.events_with("InvalidAnnotation") == 2u, text);
    BOOST_TEST((waits_of(w, "c") == std::vector<int64_t>{0, 10000, 20000}), text);
  }
}

BOOST_AUTO_TEST_SUITE_END()
