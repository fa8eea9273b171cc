// Actors that are killed or throw, at every message: rebuilt, and the simulated containers do not notice. And
// a test for each row of "What outlives what" (docs/architecture.md).
#include "node_world.hpp"

using namespace podium;
using namespace podium::test;
using json_object = boost::json::object;

namespace {

boost::json::value probed_pod(const std::string& name) {
  json_object liveness{{"exec", {{"command", {"cat", "/tmp/healthy"}}}}, {"periodSeconds", 5}};
  json_object readiness{{"httpGet", {{"path", "/"}, {"port", 8080}}}, {"periodSeconds", 3}};
  return pod_manifest(name,
                      {json_object{{"name", "c"}, {"livenessProbe", liveness}, {"readinessProbe", readiness}},
                       json_object{{"name", "d"}}});
}

/// The same with containers of every kind.
boost::json::value full_pod(const std::string& name) {
  auto out = probed_pod(name);
  json_object startup{{"exec", {{"command", {"cat", "/tmp/healthy"}}}}, {"periodSeconds", 1}};
  json_object hook{{"postStart", {{"exec", {{"command", {"warm"}}}}}}};
  auto box = [](const char* container, json_object more = {}) {
    more["name"] = container;
    more["image"] = "busybox";
    more["imagePullPolicy"] = "IfNotPresent";
    return more;
  };
  auto side = box("side", {{"restartPolicy", "Always"}, {"startupProbe", startup}, {"lifecycle", hook}});
  out.at("spec").as_object()["initContainers"] = {box("init"), side, box("later")};
  return out;
}

void healthy(node_world& w) {
  sim_profile p;
  p.ports = {{8080}};
  w.world->set_profile("*", p);
  p.runs = {{2s, 0}};
  for (auto* c : {"init", "later"})
    w.world->set_profile(c, p);
}

/// The pod runs, ready, with exactly one start of each container ever; then it goes, and nothing of it stays.
void check_untouched(node_world& w, const std::string& what) {
  BOOST_TEST(
      w.wait(
          [&] { return w.get("p") && w.phase("p") == "Running" && w.condition_of("p", "Ready") == "True"; },
          200s),
      what);
  w.sim.run_for(30s);
  BOOST_TEST(w.phase("p") == "Running", what);
  BOOST_TEST(w.condition_of("p", "Ready") == "True", what);
  for (auto* c : {"c", "d"}) {
    BOOST_TEST(w.times(sim_event_kind::started, c).size() == 1u, what << ' ' << c);
    BOOST_TEST(w.status_of("p", c).restart_count == 0, what << ' ' << c);
  }
}

void check_gone(node_world& w, const std::string& what) {
  w.remove("p");
  BOOST_TEST(w.wait([&] { return !w.get("p") && w.world->list("", w.sim.now()).sandboxes.empty(); }, 200s),
             what);
  w.check_invariants();
}

const std::vector<std::string> targets = {"node",
                                          "node/images",
                                          "node/default/p",
                                          "node/default/p/c",
                                          "node/default/p/d",
                                          "node/default/p/c/liveness",
                                          "node/default/p/c/readiness",
                                          "runtime"};

const std::vector<std::string> targets_of_full_pod = {"node/default/p",      "node/default/p/init",
                                                      "node/default/p/side", "node/default/p/later",
                                                      "node/default/p/c",    "node/default/p/side/startup"};

/// Breaks each target at each of its first messages, in a world of its own each time; ends when that message
/// never comes.
void break_everywhere(bool kill, const std::vector<std::string>& list,
                      const std::function<boost::json::value(const std::string&)>& manifest) {
  for (auto& target : list) {
    // These two have nobody above them here: they are made to throw, not killed.
    if (kill && (target == "node" || target == "runtime")) continue;
    uint64_t reached = 0;
    for (uint64_t nth = 1; nth <= 40; ++nth) {
      auto what = target + (kill ? " killed at " : " throws at ") + std::to_string(nth);
      node_world w({.seed = nth});
      healthy(w);
      w.sim.trace().sabotage(target, nth, kill);
      w.start_node();
      w.sim.run_ready();
      w.create(manifest("p"));
      check_untouched(w, what);
      for (auto* c : {"init", "side", "later"})
        BOOST_TEST(w.times(sim_event_kind::started, c).size() <= 1u, what << ' ' << c);
      check_gone(w, what);
      if (!w.sim.trace().sabotaged()) break;
      reached = nth;
    }
    BOOST_TEST(reached >= 3u, target << " was met only at " << reached << " messages");
  }
}

sim_profile crashing(nanoseconds alive, int32_t code) {
  sim_profile p;
  p.runs = {{alive, code}};
  return p;
}

/// The daemon is gone and comes back: every actor of the node ends, world and store live on.
void restart_daemon(node_world& w) {
  w.sim.kill(w.node);
  w.sim.run_for(1s);
  w.start_node();
}

} // namespace

BOOST_AUTO_TEST_SUITE(supervision)

BOOST_AUTO_TEST_CASE(throws_at_every_message) {
  break_everywhere(false, targets, probed_pod);
}

BOOST_AUTO_TEST_CASE(killed_at_every_message) {
  break_everywhere(true, targets, probed_pod);
}

BOOST_AUTO_TEST_CASE(throws_at_every_message_with_init_containers_and_sidecars) {
  break_everywhere(false, targets_of_full_pod, full_pod);
}

BOOST_AUTO_TEST_CASE(killed_at_every_message_with_init_containers_and_sidecars) {
  break_everywhere(true, targets_of_full_pod, full_pod);
}

BOOST_AUTO_TEST_CASE(a_restarted_daemon_adopts_what_runs) {
  node_world w;
  healthy(w);
  w.start_node();
  w.create(probed_pod("p"));
  BOOST_REQUIRE(w.wait([&] { return w.condition_of("p", "Ready") == "True"; }, 30s));
  auto before = w.pod_of("p").status;
  restart_daemon(w);
  w.sim.run_for(60s);
  auto after = w.pod_of("p").status;
  BOOST_TEST(after.pod_ip == before.pod_ip);
  BOOST_TEST(after.container_statuses[0].container_id == before.container_statuses[0].container_id);
  BOOST_TEST((after.start_time == before.start_time));
  for (size_t i = 0; i < before.conditions.size(); ++i)
    BOOST_TEST((before.conditions[i].last_transition_time == after.conditions[i].last_transition_time),
               before.conditions[i].type);
  check_untouched(w, "after a restart");
  check_gone(w, "after a restart");
}

BOOST_AUTO_TEST_CASE(attempt_last_state_and_back_off_outlive_the_daemon) {
  node_world w;
  w.world->set_profile("*", crashing(1s, 7));
  w.start_node();
  w.create(pod_manifest("p", {json_object{{"name", "c"}}}));
  w.sim.run_for(50s); // restarts after 0, 10, 20 s: now waiting for 40
  auto before = w.status_of("p", "c");
  restart_daemon(w);
  w.sim.run_for(500s);
  auto starts = w.times(sim_event_kind::started, "c");
  auto exits = w.times(sim_event_kind::exited, "c");
  std::vector<int64_t> waits;
  for (size_t i = 1; i < starts.size(); ++i)
    waits.push_back(std::llround(starts[i] - exits[i - 1]));
  BOOST_TEST(waits == (std::vector<int64_t>{0, 10, 20, 40, 80, 160}), boost::test_tools::per_element());
  BOOST_TEST(before.restart_count == 3);
  auto after = w.status_of("p", "c");
  BOOST_TEST(after.restart_count == 6);
  BOOST_REQUIRE(after.last_state.terminated);
  BOOST_TEST(after.last_state.terminated->exit_code == 7);
  w.check_invariants();
}

BOOST_AUTO_TEST_CASE(an_exit_while_the_daemon_is_away_is_seen) {
  node_world w;
  w.start_node();
  w.create(pod_manifest("p", {json_object{{"name", "c"}}}));
  BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Running"; }, 10s));
  w.sim.kill(w.node);
  BOOST_REQUIRE(w.world->end_container(w.get("p")->uid(), "c", 3, w.sim.now()));
  w.sim.run_for(5s);
  w.start_node();
  BOOST_REQUIRE(w.wait([&] { return w.status_of("p", "c").restart_count == 1; }, 30s));
  auto s = w.status_of("p", "c");
  BOOST_REQUIRE(s.last_state.terminated);
  BOOST_TEST(s.last_state.terminated->exit_code == 3);
}

BOOST_AUTO_TEST_CASE(a_kill_under_way_outlives_the_daemon) {
  node_world w;
  sim_profile p;
  p.signals[15] = {0s, 0, true};
  p.execs = {{"bye", 0s, forever, 0, 4s}};
  w.world->set_profile("*", p);
  w.start_node();
  w.create(pod_manifest(
      "p", {json_object{{"name", "c"}, {"lifecycle", {{"preStop", {{"exec", {{"command", {"bye"}}}}}}}}}}));
  BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Running"; }, 10s));
  auto t0 = std::chrono::duration<double>(w.sim.now().time_since_epoch()).count();
  w.remove("p");
  w.sim.run_for(10s); // the hook is through, SIGTERM was sent
  restart_daemon(w);
  BOOST_REQUIRE(w.wait([&] { return !w.get("p"); }, 60s));
  auto signals = w.times(sim_event_kind::signalled, "c");
  // One SIGTERM, one SIGKILL, at the deadline of the first life: the hook did not run again.
  BOOST_REQUIRE(signals.size() == 2u);
  BOOST_TEST(signals[0] - t0 == 4, boost::test_tools::tolerance(0.01));
  BOOST_TEST(signals[1] - t0 == 30, boost::test_tools::tolerance(0.01));
}

BOOST_AUTO_TEST_CASE(probe_counters_outlive_the_daemon) {
  node_world w;
  sim_profile p;
  p.execs = {{"*", 0s, forever, 1}};
  w.world->set_profile("*", p);
  w.start_node();
  w.sim.run_for(100s);
  json_object liveness{{"exec", {{"command", {"x"}}}}, {"periodSeconds", 60}, {"failureThreshold", 3}};
  w.create(pod_manifest("p", {json_object{{"name", "c"}, {"livenessProbe", liveness}}}));
  w.sim.run_for(130s); // the first ticks failed
  auto stored = boost::json::serialize(to_json(pod_memory{}));
  bool kept = false;
  for (auto& [key, row] : w.disk->rows)
    kept = kept || (key.starts_with("/node/pods/") && row.value.find("\"probes\"") != std::string::npos);
  BOOST_TEST(kept);
  restart_daemon(w);
  w.sim.run_for(10s);
  BOOST_TEST(w.status_of("p", "c").restart_count == 0);
}

BOOST_AUTO_TEST_CASE(a_terminal_phase_and_its_logs_outlive_the_daemon) {
  node_world w;
  w.world->set_profile("*", crashing(2s, 0));
  w.start_node();
  w.create(pod_manifest("p", {json_object{{"name", "c"}}}, {{"restartPolicy", "Never"}}));
  BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Succeeded"; }, 10s));
  restart_daemon(w);
  w.sim.run_for(60s);
  BOOST_TEST(w.phase("p") == "Succeeded");
  BOOST_TEST(w.times(sim_event_kind::started, "c").size() == 1u);
  BOOST_TEST(w.world->list("", w.sim.now()).containers.size() == 1u);
  w.remove("p");
  BOOST_TEST(w.wait([&] { return w.world->list("", w.sim.now()).containers.empty(); }, 10s));
}

BOOST_AUTO_TEST_CASE(what_only_the_runtime_knows_is_removed) {
  node_world w;
  create_sandbox orphan;
  orphan.pod_uid = "nobody";
  BOOST_REQUIRE(w.sim.ask<sandbox_info>(w.runtime, orphan));
  w.start_node();
  BOOST_TEST(w.wait([&] { return w.world->list("", w.sim.now()).sandboxes.empty(); }, 10s));
}

BOOST_AUTO_TEST_CASE(a_machine_that_lost_power_starts_its_pods_anew) {
  node_world w;
  w.start_node();
  w.create(pod_manifest("p", {json_object{{"name", "c"}}}));
  BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Running"; }, 10s));
  w.sim.kill(w.node);
  w.sim.kill(w.runtime);
  w.world->lose_power(w.sim.now());
  w.runtime = w.sim.spawn<sim_runtime>("runtime", w.world);
  w.start_node();
  BOOST_TEST(
      w.wait([&] { return w.status_of("p", "c").restart_count == 1 && w.status_of("p", "c").ready; }, 60s));
  auto s = w.status_of("p", "c");
  BOOST_REQUIRE(s.last_state.terminated);
  BOOST_TEST(s.last_state.terminated->reason == "ContainerStatusUnknown");
  w.check_invariants();
}

BOOST_AUTO_TEST_CASE(lost_doubled_and_late_messages_to_ports_change_nothing) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    node_world w({.seed = seed});
    healthy(w);
    w.settings.request_timeout = 5s;
    fault_script faults(
        seed, {{.receiver = "registry", .what = fault_verdict::kind::drop, .per_million = 100'000},
               {.receiver = "registry", .what = fault_verdict::kind::duplicate, .per_million = 100'000},
               {.receiver = "registry",
                .what = fault_verdict::kind::delay,
                .delay = 1s,
                .delay_max = 4s,
                .per_million = 100'000}});
    w.start_node();
    w.sim.run_for(1s);
    w.create(probed_pod("p"));
    w.sim.env()->set_faults(&faults);
    w.sim.run_for(120s);
    w.sim.env()->set_faults(nullptr);
    check_untouched(w, "seed " + std::to_string(seed));
    check_gone(w, "seed " + std::to_string(seed));
  }
}

BOOST_AUTO_TEST_SUITE_END()
