#include "oci_fixture.hpp"
#include <future>
#include <sys/stat.h>

using namespace podium;
namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

/// A runtime whose `create` for pod u1 waits until somebody writes to the fifo `gate`.
struct slow_first : test::oci_fixture {
  std::string gate = root + "/gate";

  slow_first() {
    ::mkfifo(gate.c_str(), 0600);
    auto program = root + "/slow-crun";
    std::ofstream{program} << "#!/bin/sh\ncase \" $* \" in *' create '*/u1/*) read x <" << gate
                           << " ;; esac\nexec /usr/bin/crun \"$@\"\n";
    fs::permissions(program, fs::perms{0755});
    settings.crun = program;
    settings.parallel_starts = 1;
  }

  void again() {
    runtime.reset();
    start_runtime();
  }
  std::future<caf::expected<container_started>> start_later(const container_key& key) {
    auto answer = std::make_shared<std::promise<caf::expected<container_started>>>();
    loop.post([this, key, answer] {
      runtime->ask(start_container{key},
                   [answer](caf::expected<container_started> r) { answer->set_value(std::move(r)); });
    });
    return answer->get_future();
  }
  container_key made(const std::string& uid) {
    BOOST_REQUIRE(make_pod(uid));
    auto request = container(uid, "main", "exec sleep 100");
    BOOST_REQUIRE(ask<container_created>(request));
    return request.key;
  }
  void open_gate() { std::ofstream{gate} << "go\n"; }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(start_turns, slow_first)

BOOST_AUTO_TEST_CASE(one_after_the_other_in_their_order) {
  settings.start_turn = 60s;
  again();
  std::vector<std::future<caf::expected<container_started>>> all;
  for (auto* uid : {"u1", "u2", "u3"})
    all.push_back(start_later(made(uid)));
  open_gate(); // returns when the first create reads it
  caf::expected<container_started> before = caf::error{};
  for (auto& one : all) {
    BOOST_REQUIRE(one.wait_for(20s) == std::future_status::ready);
    auto now = one.get();
    BOOST_REQUIRE(now);
    if (before) BOOST_TEST((before->started_at <= now->started_at));
    before = std::move(now);
  }
}

BOOST_AUTO_TEST_CASE(one_that_hangs_loses_its_turn) {
  settings.start_turn = 50ms;
  again();
  auto first = start_later(made("u1")), second = start_later(made("u2"));
  BOOST_REQUIRE(second.wait_for(20s) == std::future_status::ready);
  BOOST_TEST(static_cast<bool>(second.get()));
  BOOST_TEST((first.wait_for(0s) == std::future_status::timeout));
  open_gate();
  BOOST_REQUIRE(first.wait_for(20s) == std::future_status::ready);
  BOOST_TEST(static_cast<bool>(first.get()));
}

BOOST_AUTO_TEST_SUITE_END()
