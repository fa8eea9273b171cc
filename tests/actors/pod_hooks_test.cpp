// Hooks, graces and the causes of kills under virtual time. Source: pod-semantics §1.3, §3.4, §3.5, §9.
#include "node_world.hpp"

using namespace podium;
using namespace podium::test;
using json_object = boost::json::object;

namespace {

json_object box(std::string name, json_object more = {}) {
  more["name"] = name;
  return more;
}

json_object exec_hook(const char* when, const char* command) {
  return {{"lifecycle", {{when, {{"exec", {{"command", {command}}}}}}}}};
}

double at(node_world& w) {
  return std::chrono::duration<double>(w.sim.now().time_since_epoch()).count();
}

bool told(node_world& w, const std::string& reason, const std::string& message) {
  for (auto& e : *w.said)
    if (e.reason == reason && e.message == message) return true;
  for (auto& e : *w.said)
    if (e.reason == reason) BOOST_TEST_MESSAGE("said: " + e.message);
  return false;
}

const auto near = boost::test_tools::tolerance(0.01);

} // namespace

BOOST_AUTO_TEST_SUITE(pod_hooks)

BOOST_AUTO_TEST_CASE(a_failing_post_start_hook_kills_and_the_policy_decides) {
  struct row {
    const char* policy;
    size_t starts;
    const char* phase;
  };
  for (auto& r : {row{"Always", 4, "Running"}, row{"OnFailure", 4, "Running"}, row{"Never", 1, "Failed"}}) {
    node_world w;
    sim_profile p;
    p.execs = {{.command = "warm", .exit_code = 3, .latency = 1s, .output = "no wood\n"}};
    w.world->set_profile("*", p);
    w.start_node();
    w.create(pod_manifest("p", {box("c", exec_hook("postStart", "warm"))}, {{"restartPolicy", r.policy}}));
    w.sim.run_for(40s);
    BOOST_TEST(w.times(sim_event_kind::started, "c").size() == r.starts, r.policy);
    BOOST_TEST(w.phase("p") == r.phase, r.policy);
    BOOST_TEST(told(w, "FailedPostStartHook", "PostStartHook failed: exit code 3: no wood"));
    BOOST_TEST(
        told(w, "Killing", "FailedPostStartHook: exit code 3: no wood; the stop signal, SIGKILL after 30s"));
    auto s = w.status_of("p", "c");
    auto& last = r.starts == 1 ? s.state.terminated : s.last_state.terminated;
    BOOST_REQUIRE(last);
    BOOST_TEST(last->message
               == "FailedPostStartHook: exit code 3: no wood; the stop signal, SIGKILL after 30s");
    w.check_invariants();
  }
}

// Source: pod-semantics §3.2, §3.4: the hook's failure only kills.
BOOST_AUTO_TEST_CASE(who_ends_well_in_spite_of_its_post_start_hook_is_not_started_again) {
  for (bool by_itself : {true, false}) {
    node_world w;
    sim_profile p;
    p.execs = {{.command = "warm", .exit_code = 3, .latency = by_itself ? 60s : 1s}};
    p.signals[15] = {0s, 0}; // it ends well when it is asked to
    if (by_itself) p.runs = {{.duration = 2s}};
    w.world->set_profile("*", p);
    w.start_node();
    w.create(pod_manifest("p", {box("c", exec_hook("postStart", "warm"))}, {{"restartPolicy", "OnFailure"}}));
    w.sim.run_for(120s);
    BOOST_TEST(w.times(sim_event_kind::started, "c").size() == 1u, by_itself);
    BOOST_TEST(w.phase("p") == "Succeeded", by_itself);
    auto s = w.status_of("p", "c");
    BOOST_REQUIRE(s.state.terminated);
    BOOST_TEST(s.state.terminated->exit_code == 0);
    BOOST_TEST(s.state.terminated->message.empty() == by_itself);
  }
}

BOOST_AUTO_TEST_CASE(a_post_start_hook_whose_question_or_answer_is_lost_ends_and_runs_once) {
  for (std::string message : {"exec_sync", "exec_result"}) {
    node_world w;
    sim_profile p;
    p.execs = {{.command = "warm", .exit_code = 3, .latency = 5s}};
    w.world->set_profile("*", p);
    fault_script deaf(1, {nth_message(1, {.message = message})});
    w.start_node();
    w.sim.run_for(1s);
    w.sim.env()->set_faults(&deaf);
    w.create(pod_manifest("p", {box("c", exec_hook("postStart", "warm"))}, {{"restartPolicy", "Never"}}));
    BOOST_TEST(w.wait([&] { return w.events_with("FailedPostStartHook") == 1; }, 70s), message);
    BOOST_TEST(deaf.met(0) == 1u);
    w.sim.env()->set_faults(nullptr);
    BOOST_TEST(w.wait([&] { return w.phase("p") == "Failed"; }, 60s));
  }
}

BOOST_AUTO_TEST_CASE(a_post_start_hook_outlives_its_actor_and_runs_once) {
  node_world w;
  sim_profile p;
  p.execs = {{.command = "warm", .exit_code = 3, .latency = 20s}};
  w.world->set_profile("*", p);
  w.start_node();
  w.create(pod_manifest("p", {box("c", exec_hook("postStart", "warm"))}, {{"restartPolicy", "Never"}}));
  BOOST_REQUIRE(w.wait([&] { return !w.times(sim_event_kind::started, "c").empty(); }, 5s));
  auto started = at(w);
  w.sim.run_for(10s);
  w.sim.kill(w.node); // every actor of the node ends
  w.sim.run_for(1s);
  w.start_node();
  BOOST_REQUIRE(w.wait([&] { return w.events_with("FailedPostStartHook") == 1; }, 60s));
  BOOST_TEST(at(w) - started == 20, near);
}

// Source: pod-semantics §3.4.
BOOST_AUTO_TEST_CASE(a_container_is_being_created_until_its_post_start_hook_is_done) {
  node_world w;
  sim_profile p;
  p.execs = {{.command = "warm", .latency = 4s}};
  p.ports = {{.port = 80}};
  w.world->set_profile("*", p);
  w.start_node();
  auto c = box("c", exec_hook("postStart", "warm"));
  c["readinessProbe"] = {{"tcpSocket", {{"port", 80}}}, {"periodSeconds", 1}};
  w.create(pod_manifest("p", {c}));
  BOOST_REQUIRE(w.wait([&] { return !w.times(sim_event_kind::started, "c").empty(); }, 5s));
  w.sim.run_for(3s);
  auto before = w.status_of("p", "c");
  BOOST_REQUIRE(before.state.waiting);
  BOOST_TEST(before.state.waiting->reason == "ContainerCreating");
  BOOST_TEST((!before.ready && !before.started.value_or(true)));
  BOOST_TEST(w.phase("p") == "Pending");
  BOOST_TEST(w.wait([&] { return w.phase("p") == "Running" && w.status_of("p", "c").ready; }, 2s));
  BOOST_TEST(w.events_with("Unhealthy") == 0u);
}

BOOST_AUTO_TEST_CASE(a_container_whose_post_start_hook_failed_is_never_ready) {
  node_world w;
  sim_profile p;
  p.execs = {{.command = "warm", .exit_code = 1}};
  p.signals[15] = {0s, 0, true};
  w.world->set_profile("*", p);
  w.start_node();
  w.create(pod_manifest("p", {box("c", exec_hook("postStart", "warm"))}));
  BOOST_REQUIRE(w.wait([&] { return w.events_with("FailedPostStartHook") == 1; }, 5s));
  for (int i = 0; i < 20; ++i) {
    w.sim.run_for(1s);
    BOOST_TEST(!w.status_of("p", "c").ready);
    BOOST_TEST(!w.status_of("p", "c").state.running);
  }
}

BOOST_AUTO_TEST_CASE(a_hanging_post_start_hook_does_not_hold_up_a_deletion) {
  node_world w;
  sim_profile p;
  p.execs = {{.command = "warm", .latency = 1h}};
  w.world->set_profile("*", p);
  w.start_node();
  w.create(pod_manifest("p", {box("c", exec_hook("postStart", "warm"))}));
  BOOST_REQUIRE(w.wait([&] { return !w.times(sim_event_kind::started, "c").empty(); }, 5s));
  w.sim.run_for(100s);
  w.remove("p");
  BOOST_TEST(w.wait([&] { return !w.get("p"); }, 2s));
}

BOOST_AUTO_TEST_CASE(hooks_of_every_form) {
  struct row {
    const char* what;
    json_object hook;
    double term; ///< seconds from the deletion to the stop signal
    size_t failures;
  };
  json_object http{{"path", "/bye"}, {"port", 8080}}, closed{{"path", "/bye"}, {"port", 81}};
  json_object refused{{"path", "/bye"}, {"port", 8081}};
  for (auto& r :
       {row{"sleep", {{"sleep", {{"seconds", 3}}}}, 3, 0}, row{"http", {{"httpGet", http}}, 2, 0},
        row{"http says no", {{"httpGet", refused}}, 2, 0}, row{"http refused", {{"httpGet", closed}}, 0, 1},
        row{"exec fails", {{"exec", {{"command", {"false"}}}}}, 0, 1},
        row{"sleep beyond the grace", {{"sleep", {{"seconds", 100}}}}, 30, 0}}) {
    node_world w;
    sim_profile p;
    p.ports = {{.port = 8080, .latency = 2s}, {.port = 8081, .status = 404, .latency = 2s}};
    p.execs = {{.command = "false", .exit_code = 1}};
    w.world->set_profile("*", p);
    w.start_node();
    w.create(pod_manifest("p", {box("c", {{"lifecycle", {{"preStop", r.hook}}}})}));
    BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Running"; }, 10s));
    auto t0 = at(w);
    w.remove("p");
    BOOST_REQUIRE_MESSAGE(w.wait([&] { return !w.get("p"); }, 60s), r.what);
    BOOST_TEST(w.times(sim_event_kind::signalled, "c").at(0) - t0 + 1 == r.term + 1, near);
    BOOST_TEST(w.events_with("FailedPreStopHook") == r.failures, r.what);
    BOOST_TEST(
        told(w, "Killing",
             "Stopping container c: the pod is deleted; preStop, then the stop signal, SIGKILL after 30s"));
  }
}

BOOST_AUTO_TEST_CASE(a_request_before_the_stop_has_the_whole_grace) {
  node_world w;
  sim_profile p;
  p.ports = {{.port = 8080, .latency = 90s}};
  w.world->set_profile("*", p);
  w.start_node();
  json_object hook{{"httpGet", {{"path", "/bye"}, {"port", 8080}}}};
  w.create(pod_manifest("p", {box("c", {{"lifecycle", {{"preStop", hook}}}})},
                        {{"terminationGracePeriodSeconds", 300}}));
  BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Running"; }, 10s));
  auto t0 = at(w);
  w.remove("p");
  BOOST_REQUIRE(w.wait([&] { return !w.get("p"); }, 120s));
  BOOST_TEST(w.times(sim_event_kind::signalled, "c").at(0) - t0 == 90.0, near);
  BOOST_TEST(w.events_with("FailedPreStopHook") == 0u);
}

BOOST_AUTO_TEST_CASE(a_second_delete_shortens_the_grace_in_every_state) {
  struct row {
    const char* what;
    bool hook;
    int64_t first, second;
    double gone; ///< seconds after the second one
  };
  for (auto& r : {row{"after the signal", false, 30, 1, 2}, row{"in the hook", true, 30, 3, 5},
                  row{"by force, after the signal", false, 30, 0, 2},
                  row{"a longer one changes nothing", false, 5, 60, 3}}) {
    node_world w;
    sim_profile p;
    p.signals[15] = {0s, 0, true};
    p.execs = {{.command = "bye", .latency = 1h}};
    w.world->set_profile("*", p);
    w.start_node();
    w.create(pod_manifest("p", {box("c", r.hook ? exec_hook("preStop", "bye") : json_object{})}));
    BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Running"; }, 10s));
    w.remove("p", r.first);
    w.sim.run_for(2s);
    auto t0 = at(w);
    w.remove("p", r.second);
    BOOST_REQUIRE_MESSAGE(w.wait([&] { return w.world->list("", w.sim.now()).sandboxes.empty(); }, 60s),
                          r.what);
    BOOST_TEST(w.times(sim_event_kind::exited, "c").at(0) - t0 == r.gone, near);
  }
}

BOOST_AUTO_TEST_CASE(readiness_is_probed_while_terminating_and_the_others_are_not) {
  node_world w;
  sim_profile p;
  p.signals[15] = {25s, 0};
  p.ports = {{8080, 0s, 20s}}; // closes in the middle of the end
  p.execs = {{"*", 12s, forever, 1}};
  w.world->set_profile("*", p);
  w.start_node();
  w.sim.run_for(100s);
  json_object readiness{
      {"httpGet", {{"path", "/"}, {"port", 8080}}}, {"periodSeconds", 1}, {"failureThreshold", 1}};
  json_object liveness{{"exec", {{"command", {"x"}}}}, {"periodSeconds", 1}, {"failureThreshold", 1}};
  w.create(pod_manifest("p", {box("c", {{"readinessProbe", readiness}, {"livenessProbe", liveness}})}));
  BOOST_REQUIRE(w.wait([&] { return w.condition_of("p", "Ready") == "True"; }, 10s));
  w.sim.run_for(9s);
  w.remove("p");
  w.sim.run_for(5s);
  BOOST_TEST(w.condition_of("p", "Ready") == "True");
  BOOST_REQUIRE(w.wait([&] { return w.condition_of("p", "Ready") == "False"; }, 10s));
  BOOST_TEST(bool(w.pod_of("p").metadata.deletion_timestamp));
  for (auto& e : *w.said)
    BOOST_TEST(!(e.reason == "Unhealthy" && e.message.starts_with("Liveness")), e.message);
}

BOOST_AUTO_TEST_CASE(a_probes_own_grace_counts_for_its_kill) {
  struct row {
    const char* kind;
    int64_t grace;
    double seconds;
  };
  for (auto& r : {row{"livenessProbe", 3, 3}, row{"startupProbe", 3, 3}, row{"livenessProbe", 50, 50}}) {
    node_world w;
    sim_profile p;
    p.signals[15] = {0s, 0, true};
    p.execs = {{.command = "*", .exit_code = 1, .output = "sick"}};
    w.world->set_profile("*", p);
    w.start_node();
    w.sim.run_for(100s);
    json_object probe{{"exec", {{"command", {"x"}}}},
                      {"periodSeconds", 5},
                      {"failureThreshold", 1},
                      {"terminationGracePeriodSeconds", r.grace}};
    w.create(pod_manifest("p", {box("c", {{r.kind, probe}})}));
    BOOST_REQUIRE(w.wait([&] { return w.times(sim_event_kind::signalled, "c").size() >= 2; }, 100s));
    auto signals = w.times(sim_event_kind::signalled, "c");
    BOOST_TEST(signals[1] - signals[0] == r.seconds, near);
    auto name = std::string{r.kind}.substr(0, std::string{r.kind}.find("Probe"));
    auto text = "Container c failed " + name
                + " probe, will be restarted: 1 failure, sick; the stop signal, SIGKILL after "
                + std::to_string(r.grace) + "s";
    BOOST_TEST(told(w, "Killing", text));
    BOOST_REQUIRE(w.wait([&] { return w.status_of("p", "c").restart_count == 1; }, 10s));
    BOOST_TEST(w.status_of("p", "c").last_state.terminated->message == text);
  }
}

BOOST_AUTO_TEST_CASE(a_kill_of_a_pod_that_never_restarts_does_not_promise_it) {
  node_world w;
  sim_profile p;
  p.execs = {{.command = "*", .exit_code = 1}};
  w.world->set_profile("*", p);
  w.start_node();
  json_object probe{{"exec", {{"command", {"x"}}}}, {"periodSeconds", 1}};
  w.create(pod_manifest("p", {box("c", {{"livenessProbe", probe}})}, {{"restartPolicy", "Never"}}));
  BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Failed"; }, 30s));
  BOOST_TEST(
      told(w, "Killing",
           "Container c failed liveness probe: 3 failures in a row; the stop signal, SIGKILL after 30s"));
}

BOOST_AUTO_TEST_CASE(the_deadline_of_a_pod_ends_it_whole) {
  node_world w;
  sim_profile p;
  p.signals[15] = {2s, 0};
  w.world->set_profile("*", p);
  w.start_node();
  json_object side{{"name", "side"},
                   {"image", "busybox"},
                   {"imagePullPolicy", "IfNotPresent"},
                   {"restartPolicy", "Always"}};
  w.create(pod_manifest("p", {box("c")},
                        {{"activeDeadlineSeconds", 20}, {"initContainers", boost::json::array{side}}}));
  BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Failed"; }, 60s));
  BOOST_TEST(w.pod_of("p").status.reason == "DeadlineExceeded");
  BOOST_TEST(w.times(sim_event_kind::exited, "side").at(0) - w.times(sim_event_kind::exited, "c").at(0) == 2,
             near);
  BOOST_TEST(
      told(w, "Killing", "Stopping container c: DeadlineExceeded; the stop signal, SIGKILL after 30s"));
}

BOOST_AUTO_TEST_SUITE_END()
