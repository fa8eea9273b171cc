#include "runtime/process/launcher.hpp"

#include "core/error.hpp"
#include "on_loop.hpp"
#include "runtime/process/fd_stream.hpp"
#include "runtime/process/process_tree.hpp"
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sstream>
#include <sys/socket.h>
#include <sys/wait.h>

using namespace podium;
using namespace std::chrono_literals;

namespace {

struct fixture {
  event_loop loop;
  std::unique_ptr<launcher> launch = std::make_unique<launcher>(loop);

  ~fixture() {
    launch.reset();
    loop.stop();
  }

  caf::expected<command_result> run(command what) {
    return test::await<caf::expected<command_result>>(loop, [&, what](auto done) {
      launch->run(what, [done](caf::expected<command_result> r) { done(std::move(r)); });
    });
  }
  static command shell(std::string script) {
    command c;
    c.process.argv = {"sh", "-c", std::move(script)};
    c.process.env = current_environment();
    return c;
  }
  bool gone(pid_t pid) {
    auto facts = facts_of(pid);
    return !facts.exists || facts.state == 'Z';
  }
  /// Waits until the process has ended; false when it still lives after five seconds.
  bool ends(pid_t pid) {
    auto fd = open_pidfd(pid);
    if (!fd) return true;
    return test::await<bool>(loop, [&, pid](auto done) {
      auto answered = std::make_shared<bool>(false);
      auto once = [answered, done](bool value) {
        if (!std::exchange(*answered, true)) done(value);
      };
      launch->watch_pid(pid, 0, [once] { once(true); });
      loop.after(5s, [once] { once(false); });
    });
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(launching, fixture)

BOOST_AUTO_TEST_CASE(output_and_code) {
  auto r = run(shell("echo out; echo err >&2; exit 7"));
  BOOST_REQUIRE(r);
  BOOST_TEST(r->out == "out\n");
  BOOST_TEST(r->err == "err\n");
  BOOST_TEST(r->status.shell_code() == 7);
  BOOST_TEST(!r->timed_out);
}

BOOST_AUTO_TEST_CASE(input_arrives_whole) {
  auto c = shell("wc -c");
  c.input = std::string(3'000'000, 'x');
  auto r = run(c);
  BOOST_REQUIRE(r);
  BOOST_TEST(std::stol(r->out) == 3'000'000);
}

BOOST_AUTO_TEST_CASE(output_is_limited) {
  auto c = shell("head -c 100000 /dev/zero");
  c.output_limit_bytes = 1000;
  auto r = run(c);
  BOOST_REQUIRE(r);
  BOOST_TEST(r->out.size() == 1000u);
  BOOST_TEST(r->truncated);
  BOOST_TEST(r->status.shell_code() == 0);
}

BOOST_AUTO_TEST_CASE(signals_show_as_128_plus) {
  auto r = run(shell("kill -KILL $$"));
  BOOST_REQUIRE(r);
  BOOST_TEST(r->status.shell_code() == 137);
}

BOOST_AUTO_TEST_CASE(missing_program) {
  command c;
  c.process.argv = {"no-such-program-here"};
  auto r = run(c);
  BOOST_REQUIRE(!r);
  BOOST_TEST(int(code_of(r.error())) == int(errc::not_found));
  BOOST_TEST(message_of(r.error()).find("no-such-program-here") != std::string::npos);
  c.process.argv = {"/no/such/file"};
  BOOST_TEST(!run(c));
}

BOOST_AUTO_TEST_CASE(timeout_kills_the_tree) {
  auto c = shell("(sleep 1000 & echo $!; exec sleep 1000) & echo $!; wait");
  c.timeout = 300ms;
  auto before = std::chrono::steady_clock::now();
  auto r = run(c);
  BOOST_REQUIRE(r);
  BOOST_TEST((std::chrono::steady_clock::now() - before < 5s));
  BOOST_TEST(r->timed_out);
  BOOST_TEST(r->status.shell_code() == 137);
  std::istringstream pids{r->out};
  int count = 0;
  for (pid_t pid; pids >> pid; ++count)
    BOOST_TEST(ends(pid));
  BOOST_TEST(count == 2);
}

BOOST_AUTO_TEST_CASE(the_loop_goes_on_while_trees_are_killed) {
  // Whoever is asked for more processes takes his time, as a look at a large container does.
  std::promise<void> asked, answer;
  std::atomic<int> ended = 0;
  std::promise<void> all_ended;
  auto slow = shell("exec sleep 1000");
  slow.timeout = 10ms;
  slow.suspects = [&] {
    asked.set_value();
    answer.get_future().wait();
    return std::vector<pid_t>{};
  };
  auto other = shell("exec sleep 1000");
  other.timeout = 20ms; // while the first is under way: it comes into the next round
  auto note = [&](caf::expected<command_result> r) {
    BOOST_TEST((r && r->timed_out && r->status.signal == SIGKILL));
    if (++ended == 2) all_ended.set_value();
  };
  loop.run([&] {
    launch->run(slow, note);
    launch->run(other, note);
  });
  BOOST_REQUIRE((asked.get_future().wait_for(20s) == std::future_status::ready));
  std::promise<void> alive;
  loop.post([&] { loop.after(50ms, [&] { alive.set_value(); }); });
  auto went_on = alive.get_future().wait_for(20s) == std::future_status::ready;
  auto before = ended.load();
  answer.set_value();
  BOOST_TEST(went_on);
  BOOST_TEST(before == 0);
  BOOST_REQUIRE((all_ended.get_future().wait_for(20s) == std::future_status::ready));
  size_t left = 1;
  loop.run([&] { left = launch->children(); });
  BOOST_TEST(left == 0u);
}

BOOST_AUTO_TEST_CASE(a_process_keeps_its_number_while_its_tree_is_killed) {
  std::promise<void> asked, answer;
  auto c = shell("exec sleep 1000");
  c.timeout = 10ms;
  c.suspects = [&] {
    asked.set_value();
    answer.get_future().wait();
    return std::vector<pid_t>{};
  };
  std::promise<void> told;
  loop.run([&] { launch->run(c, [&](const caf::expected<command_result>&) { told.set_value(); }); });
  BOOST_REQUIRE((asked.get_future().wait_for(20s) == std::future_status::ready));
  auto children = descendants_of(::getpid());
  BOOST_REQUIRE(children.size() == 2u);
  ::kill(children[1], SIGKILL); // it ends by itself
  auto future = told.get_future();
  BOOST_TEST(!test::await<bool>(loop, [&](auto done) {
    loop.after(50ms, [&, done] { done(future.wait_for(0s) == std::future_status::ready); });
  }));
  auto facts = facts_of(children[1]);
  BOOST_TEST((facts.exists && facts.state == 'Z'));
  answer.set_value();
  BOOST_REQUIRE((future.wait_for(20s) == std::future_status::ready));
  BOOST_TEST(!facts_of(children[1]).exists);
}

BOOST_AUTO_TEST_CASE(a_grandchild_that_holds_the_pipe_is_not_waited_for) {
  auto c = shell("sleep 1000 & echo $!");
  c.linger = 100ms;
  auto before = std::chrono::steady_clock::now();
  auto r = run(c);
  BOOST_REQUIRE(r);
  BOOST_TEST((std::chrono::steady_clock::now() - before < 5s));
  BOOST_TEST(r->status.shell_code() == 0);
  ::kill(std::stoi(r->out), SIGKILL);
}

BOOST_AUTO_TEST_CASE(adopted_zombies_are_reaped_and_others_are_not_stolen) {
  auto r = run(shell("(sleep 0.05; exit 3) & echo $!"));
  BOOST_REQUIRE(r);
  pid_t orphan = std::stoi(r->out);
  // A child that someone else in this process forked keeps its status for them.
  pid_t own = ::fork();
  if (own == 0) ::_exit(5);
  int status = 0;
  BOOST_TEST(::waitpid(own, &status, 0) == own);
  BOOST_TEST(WEXITSTATUS(status) == 5);
  BOOST_TEST(ends(orphan));
  auto deadline = std::chrono::steady_clock::now() + 10s;
  while (facts_of(orphan).exists && std::chrono::steady_clock::now() < deadline)
    run(shell("sleep 0.1"));
  BOOST_TEST(!facts_of(orphan).exists);
}

BOOST_AUTO_TEST_CASE(many_adopted_zombies_are_reaped_together) {
  // One after another's grace they would take a minute and more.
  auto r = run(shell("i=0; while [ $i -lt 70 ]; do (read x <&3) 3<&0 & echo $!; i=$((i+1)); done"));
  BOOST_REQUIRE(r);
  std::istringstream pids{r->out};
  std::vector<pid_t> orphans{std::istream_iterator<pid_t>{pids}, {}};
  BOOST_TEST(orphans.size() == 70u);
  auto left = [&] {
    return std::count_if(orphans.begin(), orphans.end(), [](pid_t p) { return facts_of(p).exists; });
  };
  auto deadline = std::chrono::steady_clock::now() + 30s;
  while (left() > 0 && std::chrono::steady_clock::now() < deadline)
    run(shell("sleep 0.05"));
  BOOST_TEST(left() == 0);
}

BOOST_AUTO_TEST_CASE(no_descriptor_leaks_into_children) {
  // Of what this program holds, nothing that is close-on-exec may show there; the rest came from its own
  // starter.
  auto pipe = make_pipe();
  BOOST_REQUIRE(pipe);
  // Its own stdin, stdout and stderr are pipes whose other ends may still be open here.
  auto r = run(shell("for f in /proc/self/fd/*; do case ${f##*/} in [012]) ;; *) readlink $f ;; esac; done"));
  BOOST_REQUIRE(r);
  for (int fd = 3; fd < 256; ++fd) {
    int flags = ::fcntl(fd, F_GETFD);
    if (flags < 0 || (flags & FD_CLOEXEC) == 0) continue;
    char target[256] = {};
    if (::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), target, sizeof target - 1) <= 0) continue;
    if (std::string{target}.starts_with("/dev/null") || std::string{target}.starts_with("anon_inode"))
      continue;
    BOOST_TEST_INFO(target);
    BOOST_TEST(r->out.find(target) == std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(extra_descriptors_and_limits) {
  auto pipe = make_pipe();
  BOOST_REQUIRE(pipe);
  auto c = shell("echo there >&5; ulimit -n; cat /proc/self/oom_score_adj");
  c.process.fds = {{pipe->second.get(), 5}};
  c.process.max_files = 512;
  c.process.oom_score_adj = 300;
  auto r = run(c);
  BOOST_REQUIRE(r);
  char text[16] = {};
  BOOST_TEST(::read(pipe->first.get(), text, sizeof text) == 6);
  BOOST_TEST(std::string{text} == "there\n");
  BOOST_TEST(r->out == "512\n300\n");
}

BOOST_AUTO_TEST_CASE(watching_a_stranger) {
  pid_t stranger = ::fork();
  if (stranger == 0) {
    ::pause();
    ::_exit(0);
  }
  auto ended = std::make_shared<std::promise<void>>();
  auto future = ended->get_future();
  loop.run(
      [&] { launch->watch_pid(stranger, facts_of(stranger).start_ticks, [ended] { ended->set_value(); }); });
  BOOST_TEST((future.wait_for(50ms) == std::future_status::timeout));
  ::kill(stranger, SIGKILL);
  BOOST_TEST((future.wait_for(5s) == std::future_status::ready));
  // A wrong start time means another process: it counts as ended.
  BOOST_TEST(
      test::await<bool>(loop, [&](auto done) { launch->watch_pid(::getpid(), 1, [done] { done(true); }); }));
}

BOOST_AUTO_TEST_CASE(many_at_once) {
  std::atomic<int> good = 0, finished = 0;
  std::promise<void> all;
  loop.run([&] {
    for (int i = 0; i < 200; ++i)
      launch->run(shell("echo " + std::to_string(i)), [&, i](caf::expected<command_result> r) {
        if (r && r->out == std::to_string(i) + "\n") ++good;
        if (++finished == 200) all.set_value();
      });
  });
  BOOST_REQUIRE((all.get_future().wait_for(20s) == std::future_status::ready));
  BOOST_TEST(good == 200);
  size_t left = 1;
  loop.run([&] { left = launch->children(); });
  BOOST_TEST(left == 0u);
}

BOOST_AUTO_TEST_CASE(packet_sockets_keep_boundaries) {
  int ends[2];
  BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
  std::unique_ptr<fd_stream> a, b;
  auto text = test::await<std::string>(loop, [&](auto done) {
    a = std::make_unique<fd_stream>(loop, unique_fd{ends[0]}, fd_stream::kind::socket);
    b = std::make_unique<fd_stream>(loop, unique_fd{ends[1]}, fd_stream::kind::socket);
    auto seen = std::make_shared<std::string>();
    b->read([seen](std::string_view s) { *seen += "[" + std::string{s} + "]"; },
            [seen, done] { done(*seen); });
    a->write("one");
    a->write("two");
    a->finish_writing();
  });
  BOOST_TEST(text == "[one][two]");
  loop.run([&] {
    a.reset();
    b.reset();
  });
}

BOOST_AUTO_TEST_SUITE_END()
