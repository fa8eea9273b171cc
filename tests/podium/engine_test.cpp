// The library's face: what starts, what refuses to, and that a start which fails half-way leaves nothing.
#include "core/error.hpp"
#include "podium/actor_watch.hpp"
#include "podium/data_dir.hpp"
#include "podium/engine.hpp"
#include "tests/podium/engine_dir.hpp"

#include <boost/test/unit_test.hpp>
#include <fcntl.h>
#include <future>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace podium;
using namespace podium::test;
using namespace std::chrono_literals;

namespace {

std::string why(const caf::expected<std::unique_ptr<engine>>& result) {
  return result ? "" : message_of(result.error());
}

/// A start and an end; the network goes too.
void start_and_leave(const config::settings& settings) {
  auto started = engine::start(settings);
  BOOST_REQUIRE_MESSAGE(started, why(started));
  BOOST_TEST((*started)->remove_all_pods(10s));
}

bool has_ipv6_loopback() {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return false;
  bool found = false;
  for (auto* i = all; i; i = i->ifa_next)
    found = found
            || (i->ifa_addr && i->ifa_addr->sa_family == AF_INET6
                && IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<sockaddr_in6*>(i->ifa_addr)->sin6_addr));
  freeifaddrs(all);
  return found;
}

} // namespace

BOOST_AUTO_TEST_SUITE(engine_suite)

BOOST_AUTO_TEST_CASE(bad_addresses_are_refused_and_leave_nothing_running) {
  engine_dir dir;
  for (auto* listen : {"nonsense", "127.0.0.1:99999", ":1", "127.0.0.1:x", "300.1.1.1:1"}) {
    auto s = dir.settings();
    s.api.listen = listen;
    auto started = engine::start(s);
    BOOST_TEST(!started, listen);
    BOOST_TEST(!why(started).empty(), listen);
  }
}

/// One that was killed keeps its locks until its last thread is gone. Here it ends when it is looked for.
BOOST_AUTO_TEST_CASE(a_daemon_that_is_about_to_end_is_waited_for) {
  engine_dir dir;
  auto settings = dir.settings();
  std::filesystem::create_directories(settings.data_dir);
  std::filesystem::create_directories(settings.run_dir);
  auto data = settings.data_dir + "/lock", pid_file = pid_file_of(settings);
  int ready[2];
  BOOST_REQUIRE(::pipe2(ready, O_CLOEXEC) == 0);
  auto child = ::fork();
  if (child == 0) {
    for (auto& path : {data, pid_file})
      ::flock(::open(path.c_str(), O_RDWR | O_CREAT, 0600), LOCK_EX);
    auto number = ::open(pid_file.c_str(), O_WRONLY);
    ::dprintf(number, "%d\n", static_cast<int>(::getpid()));
    auto watch = ::inotify_init1(0);
    ::inotify_add_watch(watch, pid_file.c_str(), IN_OPEN);
    char buffer[4096];
    bool said = ::write(ready[1], "x", 1) == 1;
    ::_exit(said && ::read(watch, buffer, sizeof buffer) > 0 ? 0 : 1);
  }
  char buffer[1];
  BOOST_REQUIRE(::read(ready[0], buffer, 1) == 1);
  auto taken = data_dir_lock::take(settings);
  BOOST_TEST(bool(taken), (taken ? "" : message_of(taken.error())));
  ::waitpid(child, nullptr, 0);
  ::close(ready[0]);
  ::close(ready[1]);
}

BOOST_AUTO_TEST_CASE(one_engine_a_directory) {
  engine_dir dir;
  auto first = engine::start(dir.settings());
  BOOST_TEST(why(first) == "");
  BOOST_REQUIRE(bool(first));
  auto second = engine::start(dir.settings());
  BOOST_TEST(why(second).find("another podium runs") != std::string::npos, why(second));
  BOOST_TEST(bool((*first)->view().snapshot("nodes")->find("", "engine-test")));
  BOOST_TEST((*first)->remove_all_pods(std::chrono::seconds{10}));
}

BOOST_AUTO_TEST_CASE(settings_that_came_from_no_file_are_checked) {
  engine_dir dir;
  auto s = dir.settings();
  s.data_dir = "relative";
  s.events.max_count = 0;
  auto started = engine::start(s);
  BOOST_REQUIRE(!started);
  BOOST_TEST((code_of(started.error()) == errc::bad_request));
  BOOST_TEST(why(started) == "dataDir must be an absolute path\nevents.maxCount must be at least 1");
}

BOOST_AUTO_TEST_CASE(an_ipv6_loopback_is_served) {
  if (!has_ipv6_loopback()) {
    BOOST_TEST_MESSAGE("this machine has no ::1");
    return;
  }
  engine_dir dir;
  auto s = dir.settings();
  s.api.listen = "[::1]:0";
  auto started = engine::start(s);
  BOOST_REQUIRE_MESSAGE(started, why(started));
  BOOST_TEST((*started)->api_url().starts_with("https://[::1]:"), (*started)->api_url());
  BOOST_TEST((*started)->remove_all_pods(10s));
}

BOOST_AUTO_TEST_CASE(a_start_that_is_stopped_leaves_nothing) {
  engine_dir dir;
  std::stop_source stop;
  stop.request_stop();
  auto started = engine::start(dir.settings(), stop.get_token());
  BOOST_REQUIRE(!started);
  BOOST_TEST((code_of(started.error()) == errc::cancelled), why(started));
  start_and_leave(dir.settings());
}

BOOST_AUTO_TEST_CASE(the_first_end_of_a_watched_actor_is_told_once) {
  caf::actor_system_config config;
  caf::actor_system system{config};
  auto idle = [&] {
    return system.spawn(
        [](caf::event_based_actor* self, int) -> caf::behavior {
          self->set_default_handler(caf::drop);
          return {[](int) {}};
        },
        0);
  };
  auto end = [&](const caf::actor& a) {
    caf::scoped_actor self{system};
    caf::anon_send_exit(a, caf::exit_reason::kill);
    self->wait_for(a);
  };
  auto one = idle(), two = idle(), three = idle(), dead = idle();
  actor_watch watch;
  std::vector<std::string> told;
  watch.on_failure([&](const caf::error& err) { told.push_back(message_of(err)); });
  watch.watch(one, "one");
  watch.watch(two, "two");
  BOOST_TEST(!watch.failure());
  end(two);
  end(one);
  BOOST_REQUIRE(told.size() == 1u);
  BOOST_TEST(told[0].starts_with("the actor two has ended unexpectedly: "), told[0]);
  BOOST_TEST(message_of(watch.failure()) == told[0]);
  // Who asks late hears of it too.
  watch.on_failure([&](const caf::error& err) { told.push_back(message_of(err)); });
  BOOST_TEST(told.size() == 2u);
  actor_watch late;
  end(dead);
  late.watch(dead, "dead");
  BOOST_TEST(bool(late.failure()));
  actor_watch over;
  over.watch(three, "three");
  over.disarm();
  end(three);
  BOOST_TEST(!over.failure());
}

BOOST_AUTO_TEST_CASE(who_embeds_an_engine_learns_of_its_failure) {
  engine_dir dir;
  {
    auto started = engine::start(dir.settings());
    BOOST_REQUIRE_MESSAGE(started, why(started));
    auto& e = **started;
    std::promise<std::string> told;
    e.on_failure([&](const caf::error& err) { told.set_value(message_of(err)); });
    BOOST_TEST(!e.failure());
    caf::anon_send_exit(e.registry(), caf::exit_reason::kill);
    auto answer = told.get_future();
    BOOST_REQUIRE((answer.wait_for(20s) == std::future_status::ready));
    BOOST_TEST(answer.get().find("the actor registry has ended unexpectedly") == 0u);
    BOOST_TEST(bool(e.failure()));
    // Nothing is waited for that cannot come.
    BOOST_TEST(!e.remove({{"nodes", "", "engine-test"}}, 1h));
  }
  start_and_leave(dir.settings());
}

BOOST_AUTO_TEST_SUITE_END()
