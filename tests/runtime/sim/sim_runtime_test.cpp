#include "runtime/sim/deterministic_system.hpp"
#include "runtime/sim/sim_runtime.hpp"

#include <boost/test/unit_test.hpp>

using namespace podium;
using namespace std::chrono_literals;

namespace {

struct fixture {
  deterministic_system sim{5};
  std::shared_ptr<sim_world> world = std::make_shared<sim_world>(sim.env(), "edge-1");
  container_runtime_actor runtime = spawn();

  ~fixture() {
    world->advance(sim.now());
    for (auto& broken : world->history().violations())
      BOOST_ERROR(broken);
  }
  container_runtime_actor spawn() { return sim.spawn<sim_runtime>("node/edge-1/runtime", world); }
  static create_container container(std::string name, uint32_t attempt = 0) {
    create_container x;
    x.key = {"uid", std::move(name), attempt};
    x.pod_name = "web";
    x.pod_namespace = "default";
    x.image = "busybox:1";
    return x;
  }
  sandbox_info sandbox(std::string uid = "uid") {
    create_sandbox x;
    x.pod_uid = std::move(uid);
    x.pod_name = "web";
    x.pod_namespace = "default";
    auto made = sim.ask<sandbox_info>(runtime, x);
    BOOST_REQUIRE(made);
    return *made;
  }
  auto create(std::string name, uint32_t attempt = 0) {
    return sim.ask<container_created>(runtime, container(std::move(name), attempt));
  }
  auto start(std::string name, uint32_t attempt = 0) {
    return sim.ask<container_started>(runtime, start_container{{"uid", std::move(name), attempt}});
  }
  void run(std::string name, uint32_t attempt = 0) {
    BOOST_REQUIRE(create(name, attempt));
    BOOST_REQUIRE(start(name, attempt));
  }
  auto wait(std::string name, uint32_t attempt = 0) {
    auto answer = sim.post<container_exit>(runtime, wait_container{{"uid", std::move(name), attempt}});
    sim.run_ready();
    return answer;
  }
  void signal(std::string name, int32_t number, uint32_t attempt = 0) {
    BOOST_REQUIRE(sim.ask<ack>(runtime, signal_container{{"uid", std::move(name), attempt}, number}));
  }
  auto exec(std::string name, std::vector<std::string> command, nanoseconds timeout = 0s) {
    return sim.ask<exec_result>(runtime, exec_sync{{"uid", std::move(name), 0}, std::move(command), timeout});
  }
  size_t count(sim_event_kind kind, std::string_view name) {
    return world->history(sim.now()).count(kind, name);
  }
};

template <class T>
errc code(const caf::expected<T>& x) {
  return x ? errc::none : code_of(x.error());
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(sim_runtime_suite, fixture)

BOOST_AUTO_TEST_CASE(sandboxes_have_addresses_and_are_made_once) {
  auto first = sandbox(), again = sandbox(), other = sandbox("uid2");
  BOOST_TEST(first.id == again.id);
  BOOST_TEST(first.id.size() == 64u);
  BOOST_TEST(first.ip == "10.244.0.2");
  BOOST_TEST(other.ip == "10.244.0.3");
  BOOST_TEST(sim.ask<ack>(runtime, remove_sandbox{.pod_uid = "uid"}).operator bool());
  BOOST_TEST(sim.ask<ack>(runtime, remove_sandbox{.pod_uid = "uid"}).operator bool());
  BOOST_TEST(sim.ask<runtime_records>(runtime, list_runtime{})->sandboxes.size() == 1u);
  world->fail_sandboxes = 1;
  create_sandbox x;
  x.pod_uid = "uid3";
  BOOST_TEST((code(sim.ask<sandbox_info>(runtime, x)) == errc::container_create));
  BOOST_TEST((code(sim.ask<sandbox_info>(runtime, x)) == errc::none));
}

BOOST_AUTO_TEST_CASE(runs_follow_the_script_by_attempt_and_all_who_wait_hear) {
  world->set_profile("busybox:*",
                     {.create_delay = 1s,
                      .start_delay = 2s,
                      .runs = {{.duration = 5s, .exit_code = 3, .message = "oops"}, {.duration = 10s}}});
  sandbox();
  auto before = sim.now();
  auto created = create("a");
  BOOST_REQUIRE(created);
  BOOST_TEST(created->container_id.starts_with("podium://"));
  BOOST_TEST((sim.now() - before == 1s));
  auto started = start("a");
  BOOST_REQUIRE(started);
  BOOST_TEST((sim.now() - before == 3s));
  auto one = wait("a"), two = wait("a");
  sim.run_for(4999ms);
  BOOST_TEST(!one.ready());
  sim.run_for(1ms);
  BOOST_REQUIRE(one.ready() && two.ready());
  auto& exit = *one.value();
  BOOST_TEST(exit.exit_code == 3);
  BOOST_TEST(exit.reason == "Error");
  BOOST_TEST(exit.message == "oops");
  BOOST_TEST((exit.finished_at - exit.started_at == 5s));
  BOOST_TEST((exit.started_at == started->started_at));
  auto late = wait("a");
  sim.run_ready();
  BOOST_TEST(late.ready());
  run("a", 1);
  auto next = wait("a", 1);
  sim.run_for(10s);
  BOOST_REQUIRE(next.ready());
  BOOST_TEST(next.value()->reason == "Completed");
  BOOST_TEST((code(sim.ask<container_exit>(runtime, wait_container{{"uid", "b", 0}})) == errc::not_found));
}

BOOST_AUTO_TEST_CASE(requests_are_idempotent_and_fenced) {
  BOOST_TEST((code(create("a")) == errc::not_found)); // no sandbox
  sandbox();
  auto first = create("a"), twice = create("a");
  BOOST_TEST(first->container_id == twice->container_id);
  auto started = start("a"), again = start("a");
  BOOST_TEST((started->started_at == again->started_at));
  BOOST_TEST(count(sim_event_kind::started, "a") == 1u);
  // While one instance runs no other can be made.
  BOOST_TEST((code(create("a", 1)) == errc::conflict));
  signal("a", 9);
  BOOST_TEST((code(start("a")) == errc::none)); // a late double does not start it again
  BOOST_TEST(count(sim_event_kind::started, "a") == 1u);
  run("a", 1);
  BOOST_TEST((code(create("a", 0)) == errc::stale));
  BOOST_TEST((code(start("a", 0)) == errc::stale));
  BOOST_TEST((code(start("a", 2)) == errc::not_found));
  BOOST_TEST(count(sim_event_kind::refused, "a") >= 3u);
  BOOST_TEST((code(sim.ask<ack>(runtime, remove_container{{"uid", "a", 1}})) == errc::conflict));
  BOOST_TEST(
      sim.ask<ack>(runtime, remove_container{.key = {"uid", "a", 0}, .keep_log = false}).operator bool());
  // A removed pod takes its containers along, and a late create finds no way back.
  auto end = wait("a", 1);
  BOOST_TEST(sim.ask<ack>(runtime, remove_sandbox{.pod_uid = "uid"}).operator bool());
  BOOST_REQUIRE(end.ready());
  BOOST_TEST(end.value()->exit_code == 137);
  BOOST_TEST((code(create("a", 1)) == errc::stale));
  BOOST_TEST((code(create("a", 2)) == errc::not_found));
}

BOOST_AUTO_TEST_CASE(records_outlive_the_sandbox_on_request) {
  world->set_profile("a", {.runs = {{.duration = 1s}}});
  sandbox();
  run("a");
  sim.run_for(2s);
  BOOST_TEST(sim.ask<ack>(runtime, remove_sandbox{.pod_uid = "uid", .keep_records = true}).operator bool());
  auto records = sim.ask<runtime_records>(runtime, list_runtime{});
  BOOST_TEST(records->sandboxes.empty());
  BOOST_REQUIRE(records->containers.size() == 1u);
  BOOST_TEST((records->containers[0].phase == container_phase::exited));
  BOOST_TEST(sim.ask<ack>(runtime, remove_sandbox{.pod_uid = "uid"}).operator bool());
  BOOST_TEST(sim.ask<runtime_records>(runtime, list_runtime{})->containers.empty());
}

BOOST_AUTO_TEST_CASE(signals_end_delay_or_are_ignored) {
  world->set_profile("polite", {.signals = {{15, {.delay = 3s, .exit_code = 0}}}});
  world->set_profile("deaf", {.signals = {{15, {.ignored = true}}}});
  world->set_profile("quit", {.signals = {{3, {.exit_code = 7}}}, .stop_signal = 3});
  sandbox();
  for (auto name : {"plain", "polite", "deaf", "quit"})
    run(name);
  auto plain = wait("plain"), polite = wait("polite"), deaf = wait("deaf"), quit = wait("quit");
  for (auto name : {"plain", "polite", "deaf", "quit"})
    signal(name, 0);
  sim.run_ready();
  BOOST_TEST(plain.value()->exit_code == 143);
  BOOST_TEST(quit.value()->exit_code == 7);
  BOOST_TEST(!polite.ready());
  signal("deaf", 17);
  sim.run_for(3s);
  BOOST_REQUIRE(polite.ready());
  BOOST_TEST(polite.value()->reason == "Completed");
  BOOST_TEST(!deaf.ready());
  signal("deaf", 9);
  sim.run_ready();
  BOOST_REQUIRE(deaf.ready());
  BOOST_TEST(deaf.value()->exit_code == 137);
  signal("deaf", 9); // gone is done
}

BOOST_AUTO_TEST_CASE(memory_beyond_the_limit_and_scripted_kills_are_oom) {
  world->set_profile("greedy", {.memory_bytes = 200, .memory_after = 4s});
  world->set_profile("leaky", {.runs = {{.duration = 1s, .oom = true}}});
  sandbox();
  auto x = container("greedy");
  x.memory_limit_bytes = 100;
  BOOST_REQUIRE(sim.ask<container_created>(runtime, x));
  BOOST_REQUIRE(start("greedy"));
  run("leaky");
  auto greedy = wait("greedy"), leaky = wait("leaky");
  sim.run_for(4s);
  BOOST_REQUIRE(greedy.ready() && leaky.ready());
  for (auto& exit : {greedy.value(), leaky.value()}) {
    BOOST_TEST(exit->exit_code == 137);
    BOOST_TEST(exit->reason == "OOMKilled");
  }
}

BOOST_AUTO_TEST_CASE(creations_and_starts_fail_as_told) {
  world->set_profile("a", {.fail_creates = 1, .failure = "no such file"});
  world->set_profile("b", {.fail_starts = 1});
  sandbox();
  auto failed = create("a");
  BOOST_TEST((code(failed) == errc::container_create));
  BOOST_TEST(message_of(failed.error()).find("no such file") != std::string::npos);
  BOOST_TEST((code(create("a")) == errc::none));
  BOOST_REQUIRE(create("b"));
  BOOST_TEST((code(start("b")) == errc::container_start));
  BOOST_TEST((code(start("b")) == errc::container_start));
  auto exit = wait("b");
  sim.run_ready();
  BOOST_REQUIRE(exit.ready());
  BOOST_TEST(exit.value()->reason == "StartError");
  BOOST_TEST(count(sim_event_kind::started, "b") == 0u);
  run("b", 1);
}

BOOST_AUTO_TEST_CASE(commands_answer_by_the_age_of_the_container) {
  sim_profile profile;
  profile.execs = sim_file("/tmp/healthy", 0s, 30s);
  profile.execs.push_back({.command = "sleep *", .latency = 10s});
  profile.execs.push_back({.command = "broken", .transport_error = "exec failed"});
  profile.runs = {{.duration = 100s}};
  world->set_profile("web/*", {});
  world->set_profile("default/web/a", profile);
  sandbox();
  BOOST_TEST((code(exec("a", {"true"})) == errc::not_found));
  run("a");
  BOOST_TEST(exec("a", {"cat", "/tmp/healthy"})->exit_code == 0);
  auto slow = exec("a", {"sleep", "10"}, 3s);
  BOOST_TEST(slow->timed_out);
  BOOST_TEST(exec("a", {"sleep", "10"})->exit_code == 0);
  BOOST_TEST((code(exec("a", {"broken"})) == errc::io));
  BOOST_TEST(exec("a", {"anything"})->exit_code == 0);
  sim.run_for(30s);
  auto missing = exec("a", {"cat", "/tmp/healthy"});
  BOOST_TEST(missing->exit_code == 1);
  BOOST_TEST(missing->output.find("No such file") != std::string::npos);
  // The container's end cuts a command short.
  auto cut = sim.post<exec_result>(runtime, exec_sync{{"uid", "a", 0}, {"sleep", "10"}, 0s});
  sim.run_for(1s);
  BOOST_TEST(world->end_container("uid", "a", 1, sim.now()));
  sim.run_ready();
  BOOST_REQUIRE(cut.ready());
  BOOST_TEST(cut.value()->exit_code == 137);
}

BOOST_AUTO_TEST_CASE(the_world_outlives_its_actor) {
  world->set_profile("short", {.runs = {{.duration = 5s, .exit_code = 2}}});
  sandbox();
  run("short");
  run("long");
  sim.kill(runtime);
  sim.run_for(1min);
  runtime = spawn();
  auto records = sim.ask<runtime_records>(runtime, list_runtime{"uid"});
  BOOST_REQUIRE(records);
  BOOST_REQUIRE(records->containers.size() == 2u);
  BOOST_TEST((records->containers[0].phase == container_phase::running));
  auto& ended = records->containers[1];
  BOOST_TEST((ended.phase == container_phase::exited));
  BOOST_TEST(ended.exit.exit_code == 2);
  // It ended at its instant, though nobody looked.
  BOOST_TEST((ended.exit.finished_at - ended.exit.started_at == 5s));
  auto exit = wait("long");
  sim.run_for(1s);
  BOOST_TEST(world->end_container("uid", "long", 0, sim.now()));
  sim.run_ready();
  BOOST_TEST(exit.ready());
  world->lose_power(sim.now());
  BOOST_TEST(sim.ask<runtime_records>(runtime, list_runtime{})->containers.empty());
}

BOOST_AUTO_TEST_CASE(facts_are_settable) {
  BOOST_TEST(sim.ask<machine_facts>(runtime, get_machine_facts{})->capacity["cpu"] == "4");
  world->facts.capacity["cpu"] = "16";
  BOOST_TEST(sim.ask<machine_facts>(runtime, get_machine_facts{})->capacity["cpu"] == "16");
}

BOOST_AUTO_TEST_CASE(the_history_knows_broken_rules) {
  sim_history history;
  container_key first{"uid", "a", 0}, second{"uid", "a", 1};
  history.add({sim.now(), sim_event_kind::sandbox_created, {"uid", "", 0}, 0, ""});
  history.add({sim.now(), sim_event_kind::created, first, 0, ""});
  history.add({sim.now(), sim_event_kind::started, first, 0, ""});
  history.add({sim.now(), sim_event_kind::created, second, 0, ""});
  BOOST_TEST(history.violations().empty());
  history.add({sim.now(), sim_event_kind::started, second, 0, ""});
  BOOST_TEST(history.violations().size() == 1u);
  history.add({sim.now(), sim_event_kind::created, first, 0, ""});
  BOOST_TEST(history.violations().size() == 2u);
  history.add({sim.now(), sim_event_kind::sandbox_removed, {"uid", "", 0}, 0, ""});
  BOOST_TEST(history.violations().size() == 3u);
}

BOOST_AUTO_TEST_SUITE_END()
