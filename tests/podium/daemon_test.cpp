// The daemon's own life inside a process: what ends it, what it says, with which code.
#include "core/error.hpp"
#include "podium/daemon.hpp"
#include "tests/podium/engine_dir.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <unistd.h>

using namespace podium;
using namespace podium::test;

namespace {

/// One run of a daemon; what it said.
struct daemon_run {
  engine_dir dir;
  daemon_options options;
  int code = -1;
  daemon_run() { options.settings = dir.settings(); }

  std::string operator()() {
    auto* out = std::tmpfile();
    options.out = ::fileno(out);
    code = run_daemon(options);
    std::string said(static_cast<size_t>(::lseek(::fileno(out), 0, SEEK_END)), '\0');
    auto n = ::pread(::fileno(out), said.data(), said.size(), 0);
    said.resize(static_cast<size_t>(std::max<ssize_t>(0, n)));
    std::fclose(out);
    return said;
  }
  /// A pod that no node takes.
  void apply(const std::string& name) {
    auto file = (dir.path / (name + ".yaml")).string();
    std::ofstream{file} << "apiVersion: v1\nkind: Pod\nmetadata: {name: " << name
                        << "}\nspec: {nodeSelector: {no: where}, containers: [{name: c, image: none}]}\n";
    options.manifests.push_back(file);
  }
  /// The next run takes pods and network away.
  ~daemon_run() {
    options.manifests.clear();
    options.ready = [](engine&) { ::kill(::getpid(), SIGUSR2); };
    (*this)();
  }
};

void block_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (auto number : {SIGINT, SIGTERM, SIGUSR2})
    sigaddset(&set, number);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

} // namespace

BOOST_AUTO_TEST_SUITE(daemon_suite)

BOOST_AUTO_TEST_CASE(the_end_of_an_actor_ends_the_daemon_with_an_error) {
  daemon_run run;
  run.options.ready = [](engine& e) { caf::anon_send_exit(e.registry(), caf::exit_reason::kill); };
  BOOST_TEST(run().find("podium is ready: ") == 0u);
  BOOST_TEST(run.code == 1);
}

BOOST_AUTO_TEST_CASE(a_signal_during_the_start_ends_it) {
  block_signals();
  for (auto number : {SIGTERM, SIGINT}) {
    daemon_run run;
    ::kill(::getpid(), number);
    BOOST_TEST(run() == "");
    BOOST_TEST(run.code == 0);
  }
}

BOOST_AUTO_TEST_CASE(a_signal_while_manifests_are_applied_ends_that) {
  for (auto number : {SIGTERM, SIGINT}) {
    daemon_run run;
    for (int i = 0; i < 500; ++i)
      run.apply("p" + std::to_string(i));
    run.options.ready = [&](engine& e) {
      e.on_change("pods", [number](const watch_event& event) {
        if (event.type == watch_type::added && event.object->key().name == "p0") ::kill(::getpid(), number);
      });
    };
    auto said = run();
    BOOST_TEST(run.code == 0);
    BOOST_TEST(said.find("pod/p0 created") != std::string::npos);
    BOOST_TEST(said.find("pod/p499 created") == std::string::npos);
    // SIGTERM leaves what there is, SIGINT takes it back.
    run.options.manifests.clear();
    size_t left = 0;
    run.options.ready = [&](engine& e) {
      left = e.view().snapshot("pods")->size();
      ::kill(::getpid(), SIGTERM);
    };
    run();
    BOOST_TEST((left > 0) == (number == SIGTERM), left);
  }
}

BOOST_AUTO_TEST_CASE(one_that_is_to_end_its_pods_applies_none) {
  block_signals();
  daemon_run run;
  run.apply("p");
  ::kill(::getpid(),
         SIGUSR2); // as `podium down` does; the start is finished, to end what an earlier one left
  auto said = run();
  BOOST_TEST(run.code == 0);
  BOOST_TEST(said.find("podium is ready: ") != std::string::npos);
  BOOST_TEST(said.find("created") == std::string::npos, said);
}

BOOST_AUTO_TEST_CASE(a_reader_that_takes_nothing_does_not_hold_up_the_end) {
  block_signals();
  int ends[2];
  BOOST_REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
  while (::write(ends[1], "full", 4) > 0) {
  }
  ::fcntl(ends[1], F_SETFL, 0);
  daemon_run run;
  run.options.out = ends[1];
  run.options.ready = [](engine&) { ::kill(::getpid(), SIGTERM); };
  BOOST_TEST(run_daemon(run.options) == 0);
  ::close(ends[0]);
  ::close(ends[1]);
}

BOOST_AUTO_TEST_CASE(the_last_lines_are_out_when_it_ends) {
  daemon_run run;
  for (int i = 0; i < 20; ++i)
    run.apply("p" + std::to_string(i));
  run.options.ready = [&](engine& e) {
    e.on_change("pods", [](const watch_event& event) {
      if (event.type == watch_type::added && event.object->key().name == "p19") ::kill(::getpid(), SIGINT);
    });
  };
  auto said = run();
  BOOST_TEST(run.code == 0);
  size_t deleted = 0;
  for (auto at = said.find("Deleted"); at != std::string::npos; at = said.find("Deleted", at + 1))
    ++deleted;
  BOOST_TEST(deleted == 20u, said);
}

BOOST_AUTO_TEST_SUITE_END()
