// What a pod with init containers and sidecars may use, and its ports. Source: pod-semantics §6.
#include "actors/pod_resources.hpp"

#include <boost/test/unit_test.hpp>

using namespace podium;

namespace {

container_spec box(const char* name, int64_t memory_mib, bool sidecar = false) {
  container_spec out;
  out.name = name;
  if (memory_mib > 0) out.resources.limits = {{"memory", std::to_string(memory_mib) + "Mi"}};
  if (sidecar) out.restart_policy = "Always";
  return out;
}

object some_pod() {
  return {{"pods", "default", "p"}, 1, {{"metadata", {{"name", "p"}, {"uid", "u"}}}}};
}

} // namespace

BOOST_AUTO_TEST_SUITE(pod_cgroup)

BOOST_AUTO_TEST_CASE(the_pods_limit_holds_its_peak) {
  struct row {
    const char* what;
    std::vector<container_spec> init, regular;
    int64_t mib; ///< 0 is no limit
  };
  for (auto& r : {
           row{"regular ones together", {}, {box("a", 10), box("b", 20)}, 30},
           row{"one without a limit", {}, {box("a", 10), box("b", 0)}, 0},
           row{"a larger init container", {box("i", 100)}, {box("a", 10)}, 100},
           row{"a smaller one", {box("i", 5)}, {box("a", 10)}, 10},
           row{"one without a limit", {box("i", 0)}, {box("a", 10)}, 0},
           row{"sidecars stay", {box("s", 7, true)}, {box("a", 10)}, 17},
           row{"init beside the sidecars before it", {box("s", 7, true), box("i", 50)}, {box("a", 10)}, 57},
           row{"and not beside those after it", {box("i", 50), box("s", 7, true)}, {box("a", 10)}, 50},
       }) {
    pod p;
    p.spec.init_containers = r.init;
    p.spec.containers = r.regular;
    auto ref = some_pod();
    BOOST_TEST(make_create_sandbox(ref, p, {}).memory_limit_bytes == r.mib << 20, r.what);
  }
}

BOOST_AUTO_TEST_CASE(sidecars_have_ports_of_the_node) {
  pod p;
  p.spec.containers = {box("a", 0)};
  p.spec.init_containers = {box("i", 0), box("s", 0, true)};
  for (auto& c : p.spec.init_containers) {
    container_port port;
    port.container_port = 80;
    port.host_port = 8080;
    c.ports = {port};
  }
  auto ref = some_pod();
  BOOST_TEST(make_create_sandbox(ref, p, {}).ports.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_sidecar_is_not_killed_before_who_it_serves) {
  constexpr int64_t machine = 8LL << 30;
  pod p;
  p.spec.containers = {box("big", 4096), box("small", 1024)};
  p.spec.init_containers = {box("s", 0, true), box("i", 0)};
  auto ref = some_pod();
  auto score = [&](const container_spec& c) {
    return make_create_container(ref, p, c, machine, 0, "").oom_score_adj;
  };
  BOOST_TEST(score(p.spec.containers[0]) == 500);
  BOOST_TEST(score(p.spec.containers[1]) == 875);
  BOOST_TEST(score(p.spec.init_containers[0]) == 875); // 999 by itself
  BOOST_TEST(score(p.spec.init_containers[1]) == 999);
}

BOOST_AUTO_TEST_SUITE_END()
