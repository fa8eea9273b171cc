#include "oci_fixture.hpp"
#include "runtime/oci/conmon.hpp"
#include "runtime/process/process_tree.hpp"
#include <csignal>

using namespace podium;
namespace fs = std::filesystem;
using namespace std::chrono_literals;

BOOST_FIXTURE_TEST_SUITE(oci_containers, test::oci_fixture)

BOOST_AUTO_TEST_CASE(start_exit_code_and_log) {
  BOOST_REQUIRE(make_pod("u1"));
  auto before = std::chrono::system_clock::now();
  auto key = run(container("u1", "main", "echo hello; echo oops >&2; exit 7"));
  auto e = end_of(key);
  BOOST_TEST(e.exit_code == 7);
  BOOST_TEST(e.reason == "Error");
  BOOST_TEST((e.started_at >= before && e.finished_at >= e.started_at
              && e.finished_at <= std::chrono::system_clock::now()));
  auto log = log_of(key);
  BOOST_TEST(log.find("hello\n") != std::string::npos);
  BOOST_TEST(log.find("oops\n") != std::string::npos);
  BOOST_TEST(found(key).log_path == settings.log_root + "/default_pod-u1_u1/main/0.log");
  auto good = end_of(run(container("u1", "good", "true")));
  BOOST_TEST(good.exit_code == 0);
  BOOST_TEST(good.reason == "Completed");
}

BOOST_AUTO_TEST_CASE(what_a_container_sees) {
  BOOST_REQUIRE(make_pod("u2"));
  auto request = container("u2", "main", "");
  request.spec.command = {
      "sh", "-c",
      "id -u; id -g; hostname; echo $FROM_IMAGE $MINE; pwd; cat /etc/hostname; "
      "echo last words > /dev/termination-log; ls /dev/shm; cat /proc/self/oom_score_adj; "
      "grep -c NoNewPrivs:.1 /proc/self/status; touch /x && echo writable"};
  request.spec.env = {{"MINE", "too"}};
  request.spec.working_dir = "/tmp";
  request.oom_score_adj = -997; // clamped where the daemon may not give it
  request.spec.security_context_.emplace();
  request.spec.security_context_->run_as_user = 1000;
  request.spec.security_context_->allow_privilege_escalation = false;
  auto key = run(request);
  auto e = end_of(key);
  BOOST_TEST(e.message == "last words\n");
  std::istringstream lines{log_of(key)};
  std::vector<std::string> seen;
  for (std::string line; std::getline(lines, line);)
    seen.push_back(line);
  BOOST_REQUIRE(seen.size() >= 8u);
  BOOST_TEST(seen[0] == "1000");
  BOOST_TEST(seen[1] == "1001");
  BOOST_TEST(seen[2] == "host-u2");
  BOOST_TEST(seen[3] == "yes too");
  BOOST_TEST(seen[4] == "/tmp");
  BOOST_TEST(seen[5] == "host-u2");
  BOOST_TEST(seen[7] == "1");
}

BOOST_AUTO_TEST_CASE(two_containers_share_network_ipc_and_name) {
  BOOST_REQUIRE(make_pod("u3"));
  auto server =
      run(container("u3", "server", "echo from-shm > /dev/shm/note; echo hi | nc -l -p 8080; sleep 1000"));
  auto client = run(
      container("u3", "client",
                "until nc 127.0.0.1 8080 </dev/null; do usleep 20000; done; cat /dev/shm/note; hostname"));
  BOOST_TEST(end_of(client).exit_code == 0);
  auto log = log_of(client);
  BOOST_TEST(log.find("hi\n") != std::string::npos);
  BOOST_TEST(log.find("from-shm\n") != std::string::npos);
  BOOST_TEST(log.find("host-u3\n") != std::string::npos);
  for (auto* ns : {"net", "ipc", "uts"}) {
    auto a = exec(server, {"ls", "-l", std::string{"/proc/self/ns/"} + ns});
    BOOST_REQUIRE(a);
    BOOST_TEST(a->exit_code == 0);
  }
}

BOOST_AUTO_TEST_CASE(signals_and_kill) {
  BOOST_REQUIRE(make_pod("u4"));
  auto polite = run(container(
      "u4", "polite", "trap 'echo bye; exit 3' TERM; touch /dev/shm/ready; while :; do usleep 10000; done"));
  // Until the trap is set, SIGTERM means nothing to a PID 1.
  BOOST_REQUIRE(exec(polite, {"sh", "-c", "until test -e /dev/shm/ready; do usleep 10000; done"}, 10s));
  BOOST_REQUIRE(ask<ack>(signal_container{polite, 0}));
  BOOST_TEST(end_of(polite).exit_code == 3);
  BOOST_TEST(log_of(polite) == "bye\n");
  auto deaf = run(container("u4", "deaf", "sleep 1000 & sleep 1001"));
  BOOST_REQUIRE(ask<ack>(signal_container{deaf, SIGKILL}));
  auto e = end_of(deaf);
  BOOST_TEST(e.exit_code == 137);
  BOOST_TEST(e.reason == "Error");
  BOOST_TEST(ask<ack>(signal_container{deaf, SIGKILL}).operator bool()); // gone is done
}

BOOST_AUTO_TEST_CASE(out_of_memory) {
  BOOST_REQUIRE(make_pod("u5"));
  auto request = container("u5", "eater", "x=a; while :; do x=$x$x; done");
  request.memory_limit_bytes = 64 << 20;
  auto e = end_of(run(request));
  BOOST_TEST(e.exit_code == 137);
  BOOST_TEST(e.reason == "OOMKilled");
  // A child that is the victim does not make it OOMKilled while the main process lives on.
  auto survivor = container("u5", "survivor", "sh -c 'x=a; while :; do x=$x$x; done'; exit 4");
  survivor.memory_limit_bytes = 64 << 20;
  e = end_of(run(survivor));
  BOOST_TEST(e.exit_code == 4);
  BOOST_TEST(e.reason == "Error");
}

BOOST_AUTO_TEST_CASE(a_command_that_does_not_exist) {
  BOOST_REQUIRE(make_pod("u6"));
  auto request = container("u6", "main", "");
  request.spec.command = {"no-such-thing"};
  BOOST_REQUIRE(ask<container_created>(request));
  auto started = ask<container_started>(start_container{request.key});
  BOOST_REQUIRE(!started);
  BOOST_TEST(int(code_of(started.error())) == int(errc::container_start));
  BOOST_TEST_MESSAGE(message_of(started.error()));
  BOOST_TEST(message_of(started.error()).find("no-such-thing") != std::string::npos);
  auto e = end_of(request.key);
  BOOST_TEST(e.exit_code == 128);
  BOOST_TEST(e.reason == "StartError");
}

BOOST_AUTO_TEST_CASE(attempts_are_fenced) {
  BOOST_REQUIRE(make_pod("u7"));
  auto first = run(container("u7", "main", "sleep 1000", 0));
  auto again = ask<container_created>(container("u7", "main", "sleep 1000", 0));
  BOOST_REQUIRE(again); // the same attempt is the same container
  BOOST_TEST(again->container_id == "podium://" + found(first).id);
  BOOST_TEST(ask<container_started>(start_container{first}).operator bool());
  auto too_early = ask<container_created>(container("u7", "main", "sleep 1000", 1));
  BOOST_REQUIRE(!too_early);
  BOOST_TEST(int(code_of(too_early.error())) == int(errc::conflict));
  ask<ack>(signal_container{first, SIGKILL});
  end_of(first);
  auto second = run(container("u7", "main", "sleep 1000", 1));
  BOOST_TEST(found(second).id != again->container_id);
  auto stale = ask<container_created>(container("u7", "main", "sleep 1000", 0));
  BOOST_REQUIRE(!stale);
  BOOST_TEST(int(code_of(stale.error())) == int(errc::stale));
  auto stale_start = ask<container_started>(start_container{first});
  BOOST_REQUIRE(!stale_start);
  BOOST_TEST(int(code_of(stale_start.error())) == int(errc::stale));
  // Of many attempts the newest and the one before keep record and log.
  for (uint32_t n = 2; n < 5; ++n) {
    auto running = container_key{"u7", "main", n - 1};
    ask<ack>(signal_container{running, SIGKILL});
    end_of(running);
    run(container("u7", "main", "echo attempt " + std::to_string(n) + "; sleep 1000", n));
  }
  auto records = ask<runtime_records>(list_runtime{"u7"});
  BOOST_REQUIRE(records);
  BOOST_TEST(records->containers.size() == 2u);
  BOOST_TEST(records->containers[0].key.attempt == 3u);
  BOOST_TEST(records->containers[1].key.attempt == 4u);
}

BOOST_AUTO_TEST_CASE(exec_for_probes) {
  BOOST_REQUIRE(make_pod("u8"));
  auto key = run(container("u8", "main", "sleep 1000"));
  auto r = exec(key, {"sh", "-c", "echo out; echo err >&2; exit 5"});
  BOOST_REQUIRE(r);
  BOOST_TEST(r->exit_code == 5);
  BOOST_TEST(r->output == "out\nerr\n");
  r = exec(key, {"sh", "-c", "yes | head -c 100000"});
  BOOST_REQUIRE(r);
  BOOST_TEST(r->output.size() == 10240u);
  BOOST_TEST(r->exit_code == 0);
  r = exec(key, {"no-such-command"});
  BOOST_REQUIRE(!r);
  BOOST_TEST_MESSAGE(message_of(r.error()));
  BOOST_TEST(message_of(r.error()).find("executable file") != std::string::npos);
  auto before = std::chrono::steady_clock::now();
  r = exec(key, {"sh", "-c", "sleep 777 & (setsid sleep 778 &) ; sleep 779"}, 500ms);
  BOOST_REQUIRE(r);
  BOOST_TEST(r->timed_out);
  BOOST_TEST((std::chrono::steady_clock::now() - before < 5s));
  r = exec(key, {"sh", "-c", "while ps | grep -q 'sleep 77[79]'; do usleep 10000; done"}, 10s);
  BOOST_REQUIRE(r);
  BOOST_TEST(!r->timed_out); // a moment after SIGKILL they are gone
  r = exec(key, {"true"});
  BOOST_TEST((r && r->exit_code == 0));
}

BOOST_AUTO_TEST_CASE(a_new_daemon_adopts_what_runs) {
  BOOST_REQUIRE(make_pod("u9"));
  auto runs = run(container("u9", "runs", "sleep 1000"));
  auto ends =
      run(container("u9", "ends", "until cat /dev/shm/go 2>/dev/null; do usleep 10000; done; exit 9"));
  auto over = run(container("u9", "over", "exit 2"));
  auto over_exit = end_of(over);
  auto created = container("u9", "created", "echo late");
  BOOST_REQUIRE(ask<container_created>(created));
  auto id = found(runs).id;
  auto pid = [&] { return std::stoi(read_small_file(found(runs).directory + "/pidfile")); };
  auto pid_before = pid();

  runtime.reset(); // the daemon goes
  std::ofstream{settings.run_root + "/sandboxes/u9/shm/go"} << "now";
  auto exit_file = [&] { return !fs::is_empty(settings.run_root + "/exits"); };
  for (int i = 0; i < 500 && !exit_file(); ++i)
    ::usleep(10'000);
  BOOST_TEST(exit_file());
  start_runtime();

  BOOST_TEST(found(runs).id == id);
  BOOST_TEST(pid() == pid_before);
  auto records = ask<runtime_records>(list_runtime{});
  BOOST_REQUIRE(records);
  BOOST_TEST(records->sandboxes.size() == 1u);
  BOOST_TEST(records->containers.size() == 4u);
  BOOST_TEST(end_of(ends).exit_code == 9);
  BOOST_TEST(end_of(over).exit_code == 2);
  BOOST_TEST((end_of(over).finished_at == over_exit.finished_at));
  auto r = exec(runs, {"echo", "alive"});
  BOOST_REQUIRE(r);
  BOOST_TEST(r->output == "alive\n");
  BOOST_REQUIRE(ask<container_started>(start_container{created.key}));
  BOOST_TEST(end_of(created.key).exit_code == 0);
  ask<ack>(signal_container{runs, SIGKILL});
  BOOST_TEST(end_of(runs).exit_code == 137);
}

// The pods' network was set up anew meanwhile, or lost: what was made with the old one is told from the rest.
BOOST_AUTO_TEST_CASE(a_new_daemon_tells_a_sandbox_that_lost_its_network) {
  BOOST_REQUIRE(make_pod("lost"));
  BOOST_REQUIRE(make_pod("kept"));
  auto key = run(container("lost", "runs", "sleep 1000"));
  runtime.reset();
  network = loopback_network(*pool);
  network->whole = [](const std::string& uid) { return uid == "kept"; };
  start_runtime();
  for (auto* uid : {"lost", "kept"}) {
    auto records = ask<runtime_records>(list_runtime{uid});
    BOOST_REQUIRE(records);
    BOOST_REQUIRE(records->sandboxes.size() == 1u);
    BOOST_TEST(records->sandboxes[0].info.lost.empty() == (uid != std::string{"lost"}), uid);
  }
  auto again = make_pod("lost");
  BOOST_REQUIRE(again);
  BOOST_TEST(!again->lost.empty());
  BOOST_REQUIRE(ask<ack>(remove_sandbox{"lost", true}));
  BOOST_TEST(end_of(key).exit_code == 137);
  auto anew = make_pod("lost");
  BOOST_REQUIRE(anew);
  BOOST_TEST(anew->lost.empty());
  BOOST_TEST(anew->id != again->id);
}

// The daemon is killed between a start and the word of it: the record says created, and conmon is there.
BOOST_AUTO_TEST_CASE(a_new_daemon_takes_over_what_was_being_started) {
  BOOST_REQUIRE(make_pod("u14"));
  auto runs = run(container("u14", "runs", "echo once >> /dev/shm/runs; sleep 1000"));
  auto made = container("u14", "made", "echo once >> /dev/shm/made; sleep 1000");
  BOOST_REQUIRE(exec(runs, {"sh", "-c", "until test -e /dev/shm/runs; do usleep 10000; done"}, 10s));
  auto id = found(runs).id;
  auto record = [&](const char* name) {
    return settings.root + "/pods/u14/containers/" + name + "/0/state.json";
  };
  BOOST_REQUIRE(ask<container_created>(made));
  BOOST_REQUIRE(ask<container_started>(start_container{made.key}));
  BOOST_REQUIRE(exec(made.key, {"sh", "-c", "until test -e /dev/shm/made; do usleep 10000; done"}, 10s));
  runtime.reset();
  for (auto* name : {"runs", "made"}) {
    auto text = read_small_file(record(name));
    auto at = text.find("\"phase\":\"running\"");
    BOOST_REQUIRE(at != text.npos);
    text.replace(at, 17, "\"phase\":\"created\"");
    BOOST_REQUIRE(!replace_file(record(name), text));
  }
  start_runtime();
  BOOST_REQUIRE(ask<container_started>(start_container{runs}));
  BOOST_REQUIRE(ask<container_started>(start_container{made.key}));
  BOOST_TEST(found(runs).id == id);
  auto r = exec(runs, {"cat", "/dev/shm/runs", "/dev/shm/made"});
  BOOST_REQUIRE(r);
  BOOST_TEST(r->output == "once\nonce\n"); // neither ran twice
  ask<ack>(signal_container{runs, SIGKILL});
  auto e = end_of(runs);
  BOOST_TEST(e.exit_code == 137);
  BOOST_TEST(e.reason == "Error");
}

// As above, but the runtime has only made the container: it is made again, and starts once.
BOOST_AUTO_TEST_CASE(a_new_daemon_makes_anew_what_was_being_made) {
  BOOST_REQUIRE(make_pod("u15"));
  auto request = container("u15", "main", "echo ran; sleep 1000");
  BOOST_REQUIRE(ask<container_created>(request));
  auto at = found(request.key);
  instance_file file;
  file.key = request.key;
  file.id = at.id;
  file.log_path = at.log_path;
  auto conmon = test::await<pid_t>(loop, [&](auto done) {
    start_conmon(
        *children, settings, runtime->program(), file,
        [done](conmon_started s) { done(s.report && s.report->pid > 0 ? s.conmon : 0); }, [] {});
  });
  BOOST_REQUIRE(conmon > 0);
  BOOST_TEST(find_conmons(settings).at(at.id) == conmon);
  runtime.reset();
  start_runtime();
  BOOST_REQUIRE(ask<container_started>(start_container{request.key}));
  BOOST_TEST(found(request.key).id == at.id);
  BOOST_TEST(find_conmons(settings).at(at.id) != conmon);
  BOOST_REQUIRE(exec(request.key, {"true"}));
  BOOST_TEST(log_of(request.key) == "ran\n");
  auto records = ask<runtime_records>(list_runtime{"u15"});
  BOOST_REQUIRE(records);
  BOOST_REQUIRE(records->containers.size() == 1u);
  BOOST_TEST((records->containers[0].phase == container_phase::running));
}

BOOST_AUTO_TEST_CASE(a_killed_conmon_is_an_unknown_exit) {
  BOOST_REQUIRE(make_pod("u10"));
  auto key = run(container("u10", "main", "sleep 1000"));
  auto pid = std::stoi(read_small_file(found(key).directory + "/pidfile"));
  ::kill(facts_of(pid).parent, SIGKILL);
  auto e = end_of(key);
  BOOST_TEST(e.exit_code == 137);
  BOOST_TEST(e.reason == "ContainerStatusUnknown");
  auto facts = facts_of(pid);
  BOOST_TEST((!facts.exists || facts.state == 'Z')); // it cannot run on unseen
}

BOOST_AUTO_TEST_CASE(twenty_at_once) {
  BOOST_REQUIRE(make_pod("u11"));
  std::vector<container_key> keys;
  for (int i = 0; i < 20; ++i)
    keys.push_back(container("u11", "c" + std::to_string(i), "").key);
  test::await<bool>(loop, [&](auto done) {
    auto left = std::make_shared<int>(20);
    for (auto& key : keys) {
      auto request = container("u11", key.name, "sleep 1000");
      runtime->ask(request, [this, key, left, done](caf::expected<container_created> created) {
        BOOST_CHECK(created);
        runtime->ask(start_container{key}, [left, done](caf::expected<container_started> started) {
          BOOST_CHECK(started);
          if (--*left == 0) done(true);
        });
      });
    }
  });
  for (auto& key : keys)
    BOOST_TEST((found(key).phase == container_phase::running));
}

BOOST_AUTO_TEST_CASE(image_user_and_non_root) {
  BOOST_REQUIRE(make_pod("u12"));
  auto named = std::make_shared<image_record>(*image);
  named->config.user = "web";
  image = named;
  auto key = run(container("u12", "main", "id -u; id -G"));
  end_of(key);
  BOOST_TEST(log_of(key) == "1000\n1001 2000\n");
  auto strict = container("u12", "strict", "true");
  strict.spec.security_context_.emplace();
  strict.spec.security_context_->run_as_non_root = true;
  auto refused = ask<container_created>(strict);
  BOOST_REQUIRE(!refused);
  BOOST_TEST(int(code_of(refused.error())) == int(errc::container_config));
}

BOOST_AUTO_TEST_CASE(log_fallback_as_termination_message) {
  BOOST_REQUIRE(make_pod("u13"));
  auto request = container("u13", "main", "echo first; echo the reason; exit 1");
  request.spec.termination_message_policy = "FallbackToLogsOnError";
  BOOST_TEST(end_of(run(request)).message == "first\nthe reason\n");
}

BOOST_AUTO_TEST_CASE(the_end_of_a_long_message_is_kept) {
  BOOST_REQUIRE(make_pod("u15"));
  auto file = container("u15", "file",
                        "i=0; while [ $i -lt 5000 ]; do printf x; i=$((i+1)); done >/dev/termination-log; "
                        "printf END >>/dev/termination-log; exit 1");
  auto in_file = end_of(run(file)).message;
  BOOST_TEST(in_file.size() == 4096u);
  BOOST_TEST(in_file.ends_with("xEND"));
  auto log = container("u15", "log",
                       "printf '%03000d\\nEND\\n' 0; exit 1"); // in one write: parts are lines of the log
  log.spec.termination_message_policy = "FallbackToLogsOnError";
  auto in_log = end_of(run(log)).message;
  BOOST_TEST(in_log.size() == 2048u);
  BOOST_TEST(in_log.ends_with("00\nEND\n"));
  auto open = container("u15", "open", "printf 'no end'; exit 1");
  open.spec.termination_message_policy = "FallbackToLogsOnError";
  BOOST_TEST(end_of(run(open)).message == "no end");
}

BOOST_AUTO_TEST_CASE(a_container_with_a_large_environment_can_be_entered) {
  BOOST_REQUIRE(make_pod("u16"));
  auto request = container("u16", "main", "sleep 1000");
  for (int i = 0; i < 15; ++i)
    request.spec.env.push_back({"LARGE" + std::to_string(i), std::string(100'000, 'x'), {}});
  run(request);
  auto entered = ask<exec_result>(exec_sync{request.key, {"sh", "-c", "echo ${#LARGE14}"}, 30s});
  BOOST_REQUIRE(entered);
  BOOST_TEST(entered->output == "100000\n");
}

BOOST_AUTO_TEST_CASE(who_may_not_be_root_is_told_by_name) {
  BOOST_REQUIRE(make_pod("u18"));
  auto request = container("u18", "main", "true");
  request.spec.security_context_.emplace();
  request.spec.security_context_->run_as_non_root = true;
  auto refused = ask<container_created>(request);
  BOOST_REQUIRE(!refused);
  BOOST_TEST(message_of(refused.error())
             == "container has runAsNonRoot and image will run as root (pod: \"pod-u18_default(u18)\", "
                "container: main)");
}

BOOST_AUTO_TEST_CASE(system_calls_are_filtered_where_a_pod_asks_for_it) {
  BOOST_REQUIRE(make_pod("u17"));
  auto filter = [&](const char* name, std::optional<seccomp_profile> profile, bool privileged = false) {
    auto request = container(
        "u17", name, "grep Seccomp: /proc/self/status >/dev/termination-log; linux64 -R true; exit $?");
    request.spec.security_context_.emplace();
    request.spec.security_context_->seccomp_profile_ = std::move(profile);
    request.spec.security_context_->privileged = privileged;
    return end_of(run(request));
  };
  BOOST_TEST(filter("none", {}).message == "Seccomp:\t0\n");
  BOOST_TEST(filter("unconfined", seccomp_profile{"Unconfined", ""}).message == "Seccomp:\t0\n");
  auto usual = filter("usual", seccomp_profile{"RuntimeDefault", ""});
  BOOST_TEST(usual.message == "Seccomp:\t2\n");
  BOOST_TEST(usual.exit_code == 1); // no profile allows this personality
  BOOST_TEST(filter("free", seccomp_profile{"RuntimeDefault", ""}, true).message == "Seccomp:\t0\n");
  auto missing = container("u17", "missing", "true");
  missing.spec.security_context_.emplace();
  missing.spec.security_context_->seccomp_profile_ = seccomp_profile{"Localhost", "none.json"};
  auto refused = ask<container_created>(missing);
  BOOST_REQUIRE(!refused);
  BOOST_TEST(message_of(refused.error()).find("/seccomp/none.json\": ") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
