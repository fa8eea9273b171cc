// Pods from create to gone under virtual time. Vectors: pod-semantics §9.
#include "node_world.hpp"

using namespace podium;
using namespace podium::test;
using json_object = boost::json::object;

namespace {

json_object box(std::string name, json_object more = {}) {
  more["name"] = name;
  return more;
}

json_object exec_probe(json_object more = {}) {
  more["exec"] = {{"command", {"cat", "/tmp/healthy"}}};
  return more;
}

sim_profile crashing(nanoseconds alive, int32_t code) {
  sim_profile p;
  p.runs = {{alive, code}};
  return p;
}

/// Differences between neighbours, rounded to whole seconds.
std::vector<int64_t> rounded(const std::vector<double>& xs, double base) {
  std::vector<int64_t> out;
  for (auto x : xs)
    out.push_back(std::llround(x - base));
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(pod_sim)

BOOST_AUTO_TEST_CASE(a_pod_runs_and_is_deleted_with_grace) {
  node_world w;
  sim_profile slow_end;
  slow_end.signals[15] = {3s, 0};
  w.world->set_profile("*", slow_end);
  w.start_node();
  w.sim.run_for(100s);
  w.create(pod_manifest("web", {box("a"), box("b")}));
  BOOST_REQUIRE(w.wait([&] { return w.phase("web") == "Running"; }, 10s));
  BOOST_TEST(w.condition_of("web", "Ready") == "True");
  BOOST_TEST(!w.pod_of("web").status.pod_ip.empty());
  BOOST_TEST(w.status_of("web", "a").restart_count == 0);
  BOOST_TEST(w.events_with("Started") == 2u);
  w.remove("web");
  BOOST_TEST(bool(w.pod_of("web").metadata.deletion_timestamp));
  BOOST_REQUIRE(w.wait([&] { return !w.get("web"); }, 40s));
  BOOST_TEST(w.world->list("", w.sim.now()).sandboxes.empty());
  BOOST_TEST(w.world->list("", w.sim.now()).containers.empty());
  BOOST_TEST(w.disk->rows.lower_bound("/node/pods/")->first.starts_with("/node/pods/") == false);
  w.check_invariants();
}

BOOST_AUTO_TEST_CASE(crash_loop_waits_from_the_exit) {
  node_world w;
  w.world->set_profile("*", crashing(1s, 1));
  w.start_node();
  w.create(pod_manifest("p", {box("c")}));
  w.sim.run_for(1100s);
  auto starts = w.times(sim_event_kind::started, "c");
  auto exits = w.times(sim_event_kind::exited, "c");
  std::vector<int64_t> waits;
  for (size_t i = 1; i < starts.size(); ++i)
    waits.push_back(std::llround(starts[i] - exits[i - 1]));
  BOOST_TEST(waits == (std::vector<int64_t>{0, 10, 20, 40, 80, 160, 300, 300}),
             boost::test_tools::per_element());
  BOOST_TEST(w.phase("p") == "Running"); // a crash-looping pod is running
  auto s = w.status_of("p", "c");
  BOOST_REQUIRE(s.state.waiting);
  BOOST_TEST(s.state.waiting->reason == "CrashLoopBackOff");
  BOOST_TEST(
      s.state.waiting->message.starts_with("back-off 5m0s restarting failed container=c pod=p_default("));
  BOOST_REQUIRE(s.last_state.terminated);
  BOOST_TEST(s.last_state.terminated->exit_code == 1);
  BOOST_TEST(s.restart_count == 8);
  w.check_invariants();
}

namespace {

/// What the API shows of `c` over a while, each state once, with the restart count.
std::string shown_of_c(node_world& w, nanoseconds span) {
  std::string out, last;
  for (auto end = w.sim.now() + span; w.sim.now() < end; w.sim.run_for(500ms)) {
    auto s = w.status_of("p", "c");
    auto text = (s.state.waiting      ? s.state.waiting->reason
                 : s.state.running    ? std::string{"Running"}
                 : s.state.terminated ? s.state.terminated->reason
                                      : std::string{"-"})
                + std::to_string(s.restart_count);
    if (text != last) out += text + " ";
    last = text;
  }
  return out;
}

} // namespace

// Source: pod-semantics §5.3.
BOOST_AUTO_TEST_CASE(a_container_that_was_is_never_shown_as_being_created) {
  json_object hook{{"postStart", {{"exec", {{"command", {"warm"}}}}}}};
  struct row {
    const char* what;
    json_object container, spec;
    std::string shown = "ContainerCreating0 Running0 Error0 Running1 CrashLoopBackOff1 Running2 "
                        "CrashLoopBackOff2 ";
  };
  for (auto& r :
       {row{"as it is", {}, {}}, row{"with a hook", {{"lifecycle", hook}}, {}},
        row{"that is to succeed", {}, {{"restartPolicy", "OnFailure"}}},
        row{"behind an init container",
            {},
            {{"initContainers", boost::json::array{json_object{{"name", "i"}, {"image", "busybox"}}}}},
            "PodInitializing0 Running0 Error0 Running1 CrashLoopBackOff1 Running2 "
            "CrashLoopBackOff2 "}}) {
    node_world w;
    auto slow = crashing(3s, 1);
    slow.create_delay = slow.start_delay = 2s;
    slow.execs = {{.command = "warm", .latency = 1s}};
    w.world->set_profile("c", slow);
    w.world->set_profile("i", crashing(1s, 0));
    w.start_node();
    w.create(pod_manifest("p", {box("c", r.container)}, r.spec));
    BOOST_TEST(shown_of_c(w, 45s) == r.shown, r.what);
  }
}

BOOST_AUTO_TEST_CASE(a_long_run_resets_the_back_off) {
  node_world w;
  sim_profile p;
  p.runs = {{1s, 1}, {1s, 1}, {1s, 1}, {1s, 1}, {601s, 1}, {1s, 1}, {1s, 1}};
  w.world->set_profile("*", p);
  w.start_node();
  w.create(pod_manifest("p", {box("c")}));
  w.sim.run_for(900s);
  auto starts = w.times(sim_event_kind::started, "c");
  auto exits = w.times(sim_event_kind::exited, "c");
  BOOST_REQUIRE(starts.size() >= 7u);
  BOOST_TEST(std::llround(starts[5] - exits[4]) == 0);
  BOOST_TEST(std::llround(starts[6] - exits[5]) == 10);
}

BOOST_AUTO_TEST_CASE(liveness_exec_as_in_the_document) {
  node_world w;
  sim_profile p;
  p.execs = sim_file("/tmp/healthy", 0s, 30s);
  p.signals[15] = {0s, 0, true}; // sh as PID 1 does not take SIGTERM
  w.world->set_profile("*", p);
  w.start_node();
  w.sim.run_for(100s);
  w.create(pod_manifest("liveness-exec",
                        {box("liveness", {{"livenessProbe", exec_probe({{"initialDelaySeconds", 5},
                                                                        {"periodSeconds", 5}})}})}));
  w.sim.run_for(300s);
  auto starts = w.times(sim_event_kind::started, "liveness");
  // Third failure at 40 s, SIGTERM ignored for 30 s, then at once again: 70 s apart the first time.
  BOOST_REQUIRE(starts.size() >= 3u);
  BOOST_TEST(rounded(starts, starts[0])[1] == 70);
  auto s = w.status_of("liveness-exec", "liveness");
  BOOST_TEST(s.restart_count >= 2);
  BOOST_REQUIRE(s.last_state.terminated);
  BOOST_TEST(s.last_state.terminated->exit_code == 137);
  BOOST_TEST(w.events_with("Unhealthy") >= 6u);
  bool told = false;
  for (auto& e : *w.said)
    told = told
           || (e.reason == "Killing"
               && e.message
                      == "Container liveness failed liveness probe, will be restarted: 3 failures in a row, "
                         "the last: /tmp/healthy: No such file or directory; the stop signal, SIGKILL after "
                         "30s");
  BOOST_TEST(told);
  w.check_invariants();
}

BOOST_AUTO_TEST_CASE(startup_gates_liveness_and_readiness_follows_at_once) {
  node_world w;
  sim_profile p;
  p.ports = {{8080, 95s, forever}};
  w.world->set_profile("*", p);
  w.start_node();
  w.sim.run_for(100s);
  json_object http{{"httpGet", {{"path", "/"}, {"port", 8080}}}};
  json_object startup = http, liveness = http, readiness = http;
  startup["failureThreshold"] = 30;
  w.create(pod_manifest(
      "p",
      {box("c", {{"startupProbe", startup}, {"livenessProbe", liveness}, {"readinessProbe", readiness}})}));
  auto created = w.sim.elapsed();
  w.sim.run_for(94s);
  BOOST_TEST(w.times(sim_event_kind::exited, "c").empty()); // liveness was not asked
  BOOST_TEST(w.status_of("p", "c").started.value_or(true) == false);
  BOOST_REQUIRE(w.wait([&] { return w.status_of("p", "c").ready; }, 20s));
  BOOST_TEST(std::llround(std::chrono::duration<double>(w.sim.elapsed() - created).count()) == 100);
  BOOST_TEST(w.condition_of("p", "Ready") == "True");
}

BOOST_AUTO_TEST_CASE(initial_delay_counts_whole_seconds) {
  node_world w;
  sim_profile p;
  p.execs = {{"*", 0s, forever, 1}};
  w.world->set_profile("*", p);
  w.start_node();
  w.sim.run_for(100s);
  w.create(pod_manifest("p", {box("c", {{"livenessProbe", exec_probe({{"initialDelaySeconds", 15},
                                                                      {"periodSeconds", 10},
                                                                      {"failureThreshold", 1}})}})}));
  w.sim.run_for(60s);
  auto starts = w.times(sim_event_kind::started, "c"), kills = w.times(sim_event_kind::signalled, "c");
  BOOST_REQUIRE(!kills.empty());
  BOOST_TEST(std::llround(kills[0] - starts[0]) == 20);
}

BOOST_AUTO_TEST_CASE(phases_by_policy_and_exit) {
  struct row {
    const char *name, *policy;
    int code_a, code_b;
    const char* phase;
  };
  for (auto& r : {row{"s", "Never", 0, 0, "Succeeded"}, row{"f", "Never", 0, 1, "Failed"},
                  row{"o", "OnFailure", 0, 1, "Running"}, row{"e", "OnFailure", 0, 0, "Succeeded"},
                  row{"a", "Always", 0, 0, "Running"}}) {
    node_world w;
    w.world->set_profile("a", crashing(2s, r.code_a));
    w.world->set_profile("b", crashing(3s, r.code_b));
    w.start_node();
    w.create(pod_manifest(r.name, {box("a"), box("b")}, {{"restartPolicy", r.policy}}));
    w.sim.run_for(60s);
    BOOST_TEST(w.phase(r.name) == r.phase, r.policy << r.code_a << r.code_b);
    BOOST_TEST(!w.pod_of(r.name).status.pod_ip.empty()); // also of one that has ended
    w.remove(r.name);
    BOOST_TEST(w.wait([&] { return !w.get(r.name); }, 40s), r.name);
    // A finished pod's object goes at once, its records right after.
    BOOST_TEST(w.wait([&] { return w.world->list("", w.sim.now()).containers.empty(); }, 5s), r.name);
    w.check_invariants();
  }
}

BOOST_AUTO_TEST_CASE(pre_stop_takes_whole_seconds_off_the_grace) {
  struct row {
    int64_t hook_ms;
    double term, kill;
  };
  for (auto& r : {row{12'900, 12.9, 30.9}, row{100'000, 30, 32}}) {
    node_world w;
    sim_profile p;
    p.signals[15] = {0s, 0, true};
    p.execs = {{"bye", 0s, forever, 0, std::chrono::milliseconds{r.hook_ms}}};
    w.world->set_profile("*", p);
    w.start_node();
    w.create(
        pod_manifest("p", {box("c", {{"lifecycle", {{"preStop", {{"exec", {{"command", {"bye"}}}}}}}}})}));
    BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Running"; }, 10s));
    auto t0 = std::chrono::duration<double>(w.sim.now().time_since_epoch()).count();
    w.remove("p");
    BOOST_REQUIRE(w.wait([&] { return !w.get("p"); }, 60s));
    auto signals = w.times(sim_event_kind::signalled, "c");
    BOOST_REQUIRE(signals.size() == 2u);
    BOOST_TEST(signals[0] - t0 == r.term, boost::test_tools::tolerance(0.01));
    BOOST_TEST(signals[1] - t0 == r.kill, boost::test_tools::tolerance(0.01));
  }
}

BOOST_AUTO_TEST_CASE(a_shorter_grace_wins_later) {
  node_world w;
  sim_profile p;
  p.signals[15] = {0s, 0, true};
  w.world->set_profile("*", p);
  w.start_node();
  w.create(pod_manifest("p", {box("c")}));
  BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Running"; }, 10s));
  auto t0 = w.sim.now();
  w.remove("p");
  w.sim.run_for(5s);
  w.remove("p", 3);
  BOOST_REQUIRE(w.wait([&] { return !w.get("p"); }, 60s));
  BOOST_TEST(std::chrono::duration<double>(w.sim.now() - t0).count() < 9.5);
}

BOOST_AUTO_TEST_CASE(force_delete_removes_the_object_at_once_and_the_container_soon) {
  node_world w;
  sim_profile p;
  p.signals[15] = {0s, 0, true};
  w.world->set_profile("*", p);
  w.start_node();
  w.create(pod_manifest("p", {box("c")}));
  BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Running"; }, 10s));
  w.remove("p", 0);
  BOOST_TEST(!w.get("p"));
  BOOST_TEST(w.wait([&] { return w.world->list("", w.sim.now()).sandboxes.empty(); }, 5s));
}

BOOST_AUTO_TEST_CASE(images_fail_and_back_off) {
  node_world w;
  w.images->set("bad*", {.fail_pulls = 2});
  w.images->set("absent", {.fail_pulls = -1});
  w.start_node();
  w.create(pod_manifest("p", {box("c", {{"image", "bad:1"}})}));
  BOOST_REQUIRE(w.wait([&] { return w.events_with("Failed") >= 1; }, 10s));
  auto reason = [&](const char* pod_name) {
    auto s = w.status_of(pod_name, "c");
    return s.state.waiting ? s.state.waiting->reason : std::string{};
  };
  BOOST_TEST(reason("p") == "ErrImagePull");
  BOOST_REQUIRE(w.wait([&] { return reason("p") == "ImagePullBackOff"; }, 5s));
  auto begun = w.sim.now();
  BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Running"; }, 120s));
  BOOST_TEST(std::chrono::duration_cast<std::chrono::seconds>(w.sim.now() - begun).count() >= 25);
  w.create(pod_manifest("never", {box("c", {{"image", "absent"}, {"imagePullPolicy", "Never"}})}));
  BOOST_TEST(w.wait([&] { return reason("never") == "ErrImageNeverPull"; }, 5s));
  w.create(pod_manifest("name", {box("c", {{"image", "UPPER:x"}})}));
  BOOST_TEST(w.wait([&] { return reason("name") == "InvalidImageName"; }, 5s));
  BOOST_TEST(w.phase("name") == "Pending");
  w.remove("name");
  BOOST_TEST(w.wait([&] { return !w.get("name"); }, 5s));
}

BOOST_AUTO_TEST_CASE(active_deadline_fails_the_pod) {
  node_world w;
  w.start_node();
  w.create(pod_manifest("p", {box("c")}, {{"activeDeadlineSeconds", 20}}));
  w.sim.run_for(60s);
  auto p = w.pod_of("p");
  BOOST_TEST(p.status.phase == "Failed");
  BOOST_TEST(p.status.reason == "DeadlineExceeded");
}

BOOST_AUTO_TEST_CASE(a_start_that_fails_is_an_end_with_128) {
  node_world w;
  sim_profile p;
  p.fail_starts = 1;
  w.world->set_profile("*", p);
  w.start_node();
  w.create(pod_manifest("p", {box("c")}));
  BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Running" && w.status_of("p", "c").ready; }, 30s));
  auto s = w.status_of("p", "c");
  BOOST_TEST(s.restart_count == 1);
  BOOST_REQUIRE(s.last_state.terminated);
  BOOST_TEST(s.last_state.terminated->exit_code == 128);
  BOOST_TEST(s.last_state.terminated->reason == "StartError");
  // It never ran: 1970, not nothing, which kubectl shows as the year 1.
  BOOST_TEST((s.last_state.terminated->started_at == wall_time{}));
}

BOOST_AUTO_TEST_CASE(the_same_seed_gives_the_same_trace) {
  auto run = [](uint64_t seed) {
    node_world w({.seed = seed});
    w.world->set_profile("*", crashing(3s, 1));
    w.start_node();
    for (int i = 0; i < 5; ++i)
      w.create(pod_manifest("p" + std::to_string(i), {box("c"), box("d")}));
    w.sim.run_for(300s);
    return w.sim.hash();
  };
  BOOST_TEST(run(1) == run(1));
  BOOST_TEST(run(1) != run(2));
}

BOOST_AUTO_TEST_CASE(a_container_that_failed_its_probe_restarts_whatever_its_exit_code) {
  struct row {
    const char* policy;
    int restarts;
    const char* phase;
  };
  for (auto& r :
       {row{"OnFailure", 1, "Running"}, row{"Always", 1, "Running"}, row{"Never", 0, "Succeeded"}}) {
    node_world w;
    sim_profile p;
    p.execs = {{"*", 0s, 20s, 0}, {"*", 20s, forever, 1}};
    p.signals[15] = {0s, 0}; // it takes SIGTERM and ends well
    w.world->set_profile("*", p);
    w.start_node();
    w.sim.run_for(100s);
    w.create(pod_manifest(
        "p", {box("c", {{"livenessProbe", exec_probe({{"periodSeconds", 5}, {"failureThreshold", 1}})}})},
        {{"restartPolicy", r.policy}}));
    w.sim.run_for(35s);
    BOOST_TEST(w.status_of("p", "c").restart_count == r.restarts, r.policy);
    BOOST_TEST(w.phase("p") == r.phase, r.policy);
    w.check_invariants();
  }
}

BOOST_AUTO_TEST_CASE(another_image_replaces_the_container_and_forgets_the_back_off) {
  node_world w;
  w.images->set("typo", {.fail_pulls = -1});
  w.start_node();
  auto change = [&](const char* image) {
    auto document = w.get("p")->document();
    document.at("spec").at("containers").as_array()[0].as_object()["image"] = image;
    update_object update;
    update.key = {"pods", "default", "p"};
    update.document = make_document(std::move(document));
    BOOST_REQUIRE(w.sim.ask<object_ref>(w.registry, update));
  };
  w.create(pod_manifest("p", {box("c", {{"image", "typo"}})}, {{"restartPolicy", "Never"}}));
  w.sim.run_for(200s); // deep in ImagePullBackOff
  change("busybox");
  BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Running"; }, 5s));
  change("busybox:2");
  BOOST_REQUIRE(
      w.wait([&] { return w.status_of("p", "c").restart_count == 1 && w.status_of("p", "c").ready; }, 60s));
  BOOST_TEST(w.status_of("p", "c").image.value == "docker.io/library/busybox:2");
  BOOST_TEST(w.phase("p") == "Running");
}

BOOST_AUTO_TEST_CASE(an_image_that_changes_while_its_container_is_made_is_not_taken_for_the_old_one) {
  node_world w;
  sim_profile slow;
  slow.create_delay = 5s;
  w.world->set_profile("*", slow);
  w.start_node();
  w.create(pod_manifest("p", {box("c", {{"image", "busybox:1"}})}));
  w.sim.run_for(2s); // the first instance is being made
  auto document = w.get("p")->document();
  document.at("spec").at("containers").as_array()[0].as_object()["image"] = "busybox:2";
  update_object update;
  update.key = {"pods", "default", "p"};
  update.document = make_document(std::move(document));
  BOOST_REQUIRE(w.sim.ask<object_ref>(w.registry, update));
  BOOST_REQUIRE(w.wait([&] { return w.status_of("p", "c").ready; }, 30s));
  BOOST_TEST(w.status_of("p", "c").image.value == "docker.io/library/busybox:2");
  std::string runs;
  for (auto& record : w.world->list("", w.sim.now()).containers)
    if (record.phase == container_phase::running) runs += record.image + ' ';
  BOOST_TEST(runs == "busybox:2 ");
  w.check_invariants();
}

BOOST_AUTO_TEST_CASE(an_end_does_not_wait_for_the_next_try_of_a_start) {
  for (bool sandbox : {true, false}) {
    node_world w;
    sim_profile p;
    if (sandbox)
      w.world->fail_sandboxes = -1;
    else
      p.fail_creates = -1;
    w.world->set_profile("*", p);
    w.start_node();
    w.create(pod_manifest("p", {box("c")}));
    auto* reason = sandbox ? "FailedCreatePodSandBox" : "Failed";
    BOOST_REQUIRE(w.wait([&] { return w.events_with(reason) == 1; }, 5s));
    w.sim.run_for(1s);
    w.remove("p");
    BOOST_TEST(w.wait([&] { return !w.get("p"); }, 500ms), reason);
    BOOST_TEST(w.events_with(reason) == 1u, reason);
    w.check_invariants();
  }
}

BOOST_AUTO_TEST_CASE(a_failed_sandbox_is_tried_again_every_ten_seconds) {
  node_world w;
  w.world->fail_sandboxes = 2;
  w.start_node();
  auto begun = w.sim.now();
  w.create(pod_manifest("p", {box("c")}));
  BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Running"; }, 60s));
  BOOST_TEST(std::chrono::duration_cast<std::chrono::seconds>(w.sim.now() - begun).count() == 20);
  BOOST_TEST(w.events_with("FailedCreatePodSandBox") == 2u);
}

BOOST_AUTO_TEST_CASE(a_probe_that_cannot_be_run_is_tried_three_times_a_tick) {
  // Each try takes 100 ms: two fail, and the third finds the port.
  for (auto broken : {150ms, 250ms}) {
    node_world w;
    sim_profile p;
    p.ports = {{.port = 8080, .until = broken, .latency = 100ms, .transport_error = "no route"},
               {.port = 8080}};
    w.world->set_profile("*", p);
    w.start_node();
    w.sim.run_for(100s);
    json_object readiness{{"httpGet", {{"path", "/"}, {"port", 8080}}}, {"periodSeconds", 10}};
    w.create(pod_manifest("p", {box("c", {{"readinessProbe", readiness}})}));
    BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Running"; }, 5s));
    bool found = broken < 200ms;
    BOOST_TEST(w.wait([&] { return w.condition_of("p", "Ready") == "True"; }, 2s) == found);
    // Three tries that came to nothing are said once, and change nothing.
    BOOST_TEST(w.events_with("Unhealthy") == (found ? 0u : 1u));
    BOOST_TEST(w.wait([&] { return w.condition_of("p", "Ready") == "True"; }, 10s));
  }
}

BOOST_AUTO_TEST_CASE(a_probe_whose_question_or_answer_is_lost_is_asked_again) {
  for (std::string message : {"run_probe", "probe_outcome"}) {
    node_world w;
    sim_profile p;
    p.ports = {{.port = 8080}};
    w.world->set_profile("*", p);
    fault_script deaf(1, {nth_message(1, {.message = message})});
    w.start_node();
    w.sim.run_for(100s);
    w.sim.env()->set_faults(&deaf);
    json_object readiness{{"httpGet", {{"path", "/"}, {"port", 8080}}}, {"periodSeconds", 5}};
    w.create(pod_manifest("p", {box("c", {{"readinessProbe", readiness}})}));
    auto ready = [&] { return w.condition_of("p", "Ready") == "True"; };
    BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Running"; }, 5s));
    // It might still come for the probe's own second and ten more: the third tick takes it for lost.
    BOOST_TEST(!w.wait(ready, 14s), message);
    BOOST_TEST(w.wait(ready, 2s), message);
    BOOST_TEST(deaf.met(0) == 1u);
    w.sim.env()->set_faults(nullptr);
  }
}

BOOST_AUTO_TEST_CASE(a_lost_word_between_node_and_pod_is_said_again) {
  // Every update to the pod is lost for a while, its deletion and its removal included.
  for (auto grace : {int64_t{-1}, int64_t{0}}) {
    node_world w;
    fault_script deaf(1, {{.receiver = "node/default/p", .message = "pod_update"}});
    w.start_node();
    w.create(pod_manifest("p", {box("c")}));
    BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Running"; }, 10s));
    w.sim.env()->set_faults(&deaf);
    w.remove("p", grace);
    w.sim.run_for(20s);
    BOOST_TEST(deaf.met(0) > 0u);
    w.sim.env()->set_faults(nullptr);
    BOOST_TEST(w.wait([&] { return !w.get("p") && w.world->list("", w.sim.now()).sandboxes.empty(); }, 150s),
               grace);
  }
}

BOOST_AUTO_TEST_SUITE_END()
