#include "core/error.hpp"
#include "network_world.hpp"
#include "runtime/network/namespaces.hpp"
#include "runtime/network/pod_network.hpp"
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <fcntl.h>
#include <fstream>
#include <future>
#include <sys/wait.h>

using namespace podium;
using namespace podium::test;

BOOST_AUTO_TEST_SUITE(pod_network_suite)

namespace {

struct world {
  network_settings settings;
  fs::path dir;
  std::unique_ptr<network_worker> worker;
  bool alone = true;

  world() {
    std::string name = (fs::temp_directory_path() / "podium-net-XXXXXX").string();
    dir = ::mkdtemp(name.data());
    settings.bridge = "test0";
    settings.network = "10.61.0.0/24";
    settings.run_dir = dir / "run";
    restart();
  }
  ~world() {
    auto err = worker->remove_all();
    BOOST_TEST(!err, message_of(err));
    if (alone) BOOST_TEST(count_links() == 0u);
    BOOST_TEST(count_pins(dir) == 0u);
    std::error_code ec;
    fs::remove_all(dir, ec);
  }
  std::vector<pod_network_info> restart() {
    worker = std::make_unique<network_worker>(settings);
    auto adopted = worker->start();
    BOOST_REQUIRE_MESSAGE(adopted.engaged(), (adopted ? std::string{} : message_of(adopted.error())));
    return *adopted;
  }
  pod_network_info up(const std::string& uid, const std::vector<port_mapping>& ports = {}) {
    auto info = worker->setup(uid, ports);
    BOOST_REQUIRE_MESSAGE(info.engaged(), (info ? std::string{} : message_of(info.error())));
    return *info;
  }
  void down(const std::string& uid) {
    auto err = worker->teardown(uid);
    BOOST_TEST(!err, message_of(err));
  }
};

} // namespace

BOOST_AUTO_TEST_CASE(pods_reach_each_other_and_the_host) {
  world w;
  auto a = w.up("pod-a");
  auto b = w.up("pod-b");
  BOOST_TEST(a.ip != b.ip);
  BOOST_TEST(a.gateway == "10.61.0.1");
  whoami in_a{a.netns, 8080};
  BOOST_TEST(ask(b.netns, a.ip, 8080) == b.ip);
  BOOST_TEST(ask(a.netns, "127.0.0.1", 8080) == "127.0.0.1");
  BOOST_TEST(ask({}, a.ip, 8080) == a.gateway);
  BOOST_TEST(ask(b.netns, "127.0.0.1", 8080) == "error: Connection refused");
  whoami on_host{{}, 9090};
  BOOST_TEST(ask(a.netns, a.gateway, 9090) == a.ip);
}

BOOST_AUTO_TEST_CASE(host_ports_work_from_everywhere) {
  world w;
  auto a =
      w.up("pod-a", {{.protocol = "TCP", .host_ip = "", .host_port = 18080, .container_port = 80},
                     {.protocol = "UDP", .host_ip = "", .host_port = 18080, .container_port = 53},
                     {.protocol = "TCP", .host_ip = "127.0.0.1", .host_port = 18081, .container_port = 80},
                     {.protocol = "TCP", .host_ip = "", .host_port = 0, .container_port = 99}});
  auto b = w.up("pod-b");
  whoami tcp{a.netns, 80};
  whoami udp{a.netns, 53, true};
  BOOST_TEST(ask({}, "127.0.0.1", 18080) == a.gateway);
  BOOST_TEST(ask({}, a.gateway, 18080) == a.gateway);
  BOOST_TEST(ask(b.netns, a.gateway, 18080) == a.gateway);
  BOOST_TEST(ask(a.netns, a.gateway, 18080) == a.gateway);
  BOOST_TEST(ask({}, "127.0.0.1", 18080, true) == a.gateway);
  BOOST_TEST(ask({}, "127.0.0.1", 18081) == a.gateway);
  BOOST_TEST(ask({}, a.gateway, 18081) == "error: Connection refused");
  BOOST_TEST(count_elements("test0") == 3u);
  auto taken =
      w.worker->setup("pod-c", {{.protocol = "TCP", .host_ip = "", .host_port = 18080, .container_port = 1}});
  BOOST_REQUIRE(!taken);
  BOOST_TEST((code_of(taken.error()) == errc::conflict));
  BOOST_TEST(message_of(taken.error()) == "TCP host port :18080 is taken by pod pod-a");
  w.down("pod-a");
  BOOST_TEST(count_elements("test0") == 0u);
  BOOST_TEST(ask({}, "127.0.0.1", 18080) == "error: Connection refused");
  auto c = w.up("pod-c", {{.protocol = "TCP", .host_ip = "", .host_port = 18080, .container_port = 81}});
  whoami again{c.netns, 81};
  BOOST_TEST(ask({}, "127.0.0.1", 18080) == c.gateway);
}

BOOST_AUTO_TEST_CASE(what_leaves_is_masqueraded) {
  world w;
  world other_side{};
  // A second network stands for the outside: a pod there sees the host, not the pod.
  BOOST_TEST(!other_side.worker->remove_all());
  other_side.settings.bridge = "outside0";
  other_side.settings.network = "10.77.0.0/24";
  other_side.restart();
  other_side.alone = false;
  w.restart();
  auto a = w.up("pod-a");
  auto x = other_side.up("pod-x");
  whoami outside{x.netns, 80};
  BOOST_TEST(ask(a.netns, x.ip, 80) == x.gateway);
}

BOOST_AUTO_TEST_CASE(is_idempotent_and_leaves_nothing) {
  world w;
  auto first = w.up("pod-a");
  auto second = w.up("pod-a");
  BOOST_TEST(first.ip == second.ip);
  BOOST_TEST(count_pins(w.dir) == 1u);
  BOOST_TEST(count_links() == 2u);
  w.down("pod-a");
  w.down("pod-a");
  w.down("never-seen");
  BOOST_TEST(count_pins(w.dir) == 0u);
  BOOST_TEST(w.worker->has_leaving());
  BOOST_TEST(!w.worker->remove_leaving());
  BOOST_TEST(!w.worker->has_leaving());
  BOOST_TEST(count_links() == 1u);
  // Whoever still knows the old address does not meet another pod there.
  BOOST_TEST(w.up("pod-b").ip != first.ip);
}

BOOST_AUTO_TEST_CASE(a_restart_adopts_what_is_whole_and_removes_the_rest) {
  world w;
  std::vector<port_mapping> ports{
      {.protocol = "TCP", .host_ip = "", .host_port = 18080, .container_port = 80}};
  auto a = w.up("pod-a", ports);
  auto lost_pin = w.up("pod-b");
  auto lost_link = w.up("pod-c");
  auto lost_record = w.up("pod-d");
  auto half = w.up("pod-e");
  whoami service{a.netns, 80};
  BOOST_TEST(!remove_network_namespace(lost_pin.netns));
  BOOST_TEST(std::system(("ip link del " + lost_link.host_interface).c_str()) == 0);
  fs::remove(w.settings.run_dir / "pods/pod-d.json");
  std::ofstream{w.settings.run_dir / "pods/pod-e.json"} << "{\"ip\":\"" << half.ip << "\",\"who";
  auto adopted = w.restart();
  BOOST_REQUIRE(adopted.size() == 1u);
  BOOST_TEST(adopted[0].ip == a.ip);
  BOOST_TEST(count_links() == 2u);
  BOOST_TEST(count_pins(w.dir) == 1u);
  BOOST_TEST(ask({}, "127.0.0.1", 18080) == a.gateway);
  BOOST_TEST(count_elements("test0") == 1u);
  BOOST_TEST(w.up("pod-a", ports).ip == a.ip);
  auto b = w.up("pod-b");
  BOOST_TEST(b.ip != a.ip);
  BOOST_TEST(ask(b.netns, a.ip, 80) == b.ip);
}

BOOST_AUTO_TEST_CASE(a_namespace_that_something_holds_does_not_keep_its_interfaces) {
  world w;
  auto a = w.up("pod-a");
  unique_fd held{::open(a.netns.c_str(), O_RDONLY | O_CLOEXEC)};
  BOOST_REQUIRE(held);
  w.down("pod-a");
  BOOST_TEST(count_links() == 2u);
  // The same pod once more, before anybody has looked after the first.
  auto again = w.up("pod-a");
  BOOST_TEST(again.ip != a.ip);
  whoami service{again.netns, 80};
  BOOST_TEST(ask({}, again.ip, 80) == a.gateway);
  BOOST_TEST(count_links() == 2u);
  BOOST_TEST(!w.worker->remove_leaving()); // of nobody who is there
  BOOST_TEST(ask({}, again.ip, 80) == a.gateway);
  unique_fd held_too{::open(again.netns.c_str(), O_RDONLY | O_CLOEXEC)};
  w.down("pod-a");
  BOOST_TEST(!w.worker->remove_leaving());
  BOOST_TEST(count_links() == 1u);
}

BOOST_AUTO_TEST_CASE(a_pod_whose_interface_vanished_is_made_anew) {
  world w;
  auto a = w.up("pod-a");
  BOOST_TEST(std::system(("ip link del " + a.host_interface).c_str()) == 0);
  auto again = w.up("pod-a");
  whoami service{again.netns, 80};
  BOOST_TEST(ask({}, again.ip, 80) == a.gateway);
  BOOST_TEST(count_pins(w.dir) == 1u);
}

BOOST_AUTO_TEST_CASE(refuses_with_a_reason) {
  world w;
  auto start_with = [&](const char* bridge, const char* network) {
    auto s = w.settings;
    s.bridge = bridge;
    s.network = network;
    s.run_dir = w.dir / "other";
    return network_worker{s}.start();
  };
  auto overlap = start_with("test1", "10.61.0.0/16");
  BOOST_REQUIRE(!overlap);
  BOOST_TEST((code_of(overlap.error()) == errc::conflict));
  BOOST_TEST(message_of(overlap.error()).find("overlaps 10.61.0.0/24 on test0") != std::string::npos,
             message_of(overlap.error()));
  for (auto* network : {"10.61.0.1/24", "10.61.0.0", "10.61.0.0/33", "x/24", "10.61.0.0/30", "0.0.0.0/0"})
    BOOST_TEST((code_of(start_with("test1", network).error()) == errc::invalid), network);
  for (auto* bridge : {"", "a bridge", "much_too_long_name", "x\"; flush ruleset; \""})
    BOOST_TEST((code_of(start_with(bridge, "10.62.0.0/24").error()) == errc::invalid), bridge);
  for (auto* uid : {"", "../x", "a/b", ".hidden", "a b"})
    BOOST_TEST((code_of(w.worker->setup(uid, {}).error()) == errc::invalid), uid);
  BOOST_TEST(
      !w.worker->setup("p", {{.protocol = "TCP", .host_ip = "", .host_port = 70'000, .container_port = 1}}));
  BOOST_TEST(
      !w.worker->setup("p", {{.protocol = "ICMP", .host_ip = "", .host_port = 7, .container_port = 1}}));
  BOOST_TEST(
      !w.worker->setup("p", {{.protocol = "TCP", .host_ip = "::1", .host_port = 7, .container_port = 1}}));
}

BOOST_AUTO_TEST_CASE(says_what_right_is_missing) {
  world w;
  auto child = ::fork();
  if (child == 0) {
    auto s = w.settings;
    s.bridge = "test2";
    s.network = "10.63.0.0/24";
    s.run_dir = w.dir / "mine";
    fs::create_directories(s.run_dir);
    fs::permissions(w.dir, fs::perms::all);
    fs::permissions(s.run_dir, fs::perms::all);
    if (::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0) ::_exit(2);
    auto result = network_worker{s}.start();
    bool clear = !result && message_of(result.error()).find("CAP_NET_ADMIN") != std::string::npos;
    ::_exit(clear ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(runs_off_the_loop) {
  world w;
  w.worker->remove_all();
  event_loop loop;
  {
    work_pool pool{loop, 2};
    pod_network network{loop, pool, w.settings};
    std::promise<size_t> finished;
    size_t ups = 0, downs = 0;
    loop.post([&] {
      network.start([&](auto adopted) { BOOST_TEST(adopted.engaged()); });
      for (int i = 0; i < 20; ++i) {
        auto uid = "pod-" + std::to_string(i);
        network.setup(uid, {}, {}, [&](auto info) { ups += info.engaged(); });
        network.teardown(uid, [&](caf::error err) {
          downs += !err;
          if (downs == 20) network.remove_all([&](caf::error) { finished.set_value(ups); });
        });
      }
    });
    BOOST_TEST(finished.get_future().get() == 20u);
  }
  loop.stop();
}

BOOST_AUTO_TEST_CASE(twenty_pods_up_and_down) {
  world w;
  using clock = std::chrono::steady_clock;
  auto ms = [](clock::duration d) { return std::chrono::duration<double, std::milli>(d).count() / 20; };
  for (bool ports : {false, true}) {
    auto t0 = clock::now();
    for (int i = 0; i < 20; ++i) {
      std::vector<port_mapping> list;
      if (ports) list = {{.protocol = "TCP", .host_ip = "", .host_port = 20'000 + i, .container_port = 80}};
      w.up("pod-" + std::to_string(i), list);
    }
    auto t1 = clock::now();
    for (int i = 0; i < 20; ++i)
      w.down("pod-" + std::to_string(i));
    auto t2 = clock::now();
    BOOST_TEST_MESSAGE("pod network" << (ports ? " with a host port" : "") << ": up " << ms(t1 - t0)
                                     << " ms, down " << ms(t2 - t1) << " ms a pod");
    BOOST_TEST(!w.worker->remove_leaving());
    BOOST_TEST(count_links() == 1u);
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(address_pool_suite)

BOOST_AUTO_TEST_CASE(goes_in_a_circle) {
  address_pool pool{*parse_ipv4_network("10.0.0.0/29")};
  BOOST_TEST(ipv4_text(pool.gateway()) == "10.0.0.1");
  BOOST_TEST(pool.reserve(*parse_ipv4("10.0.0.3")));
  BOOST_TEST(!pool.reserve(*parse_ipv4("10.0.0.3")));
  BOOST_TEST(!pool.reserve(*parse_ipv4("10.0.0.1")));
  BOOST_TEST(!pool.reserve(*parse_ipv4("10.0.0.7")));
  std::string order;
  for (int i = 0; i < 4; ++i)
    order += ipv4_text(*pool.take()).back();
  BOOST_TEST(order == "4562");
  BOOST_TEST((code_of(pool.take().error()) == errc::unavailable));
  pool.give_back(*parse_ipv4("10.0.0.2"));
  pool.give_back(*parse_ipv4("10.0.0.5"));
  BOOST_TEST(ipv4_text(*pool.take()) == "10.0.0.5");
  BOOST_TEST(ipv4_text(*pool.take()) == "10.0.0.2");
}

BOOST_AUTO_TEST_SUITE_END()
