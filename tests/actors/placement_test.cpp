#include "actors/placement.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

using namespace podium;
using namespace podium::placement;

namespace {

constexpr int64_t mi = 1024 * 1024, gi = 1024 * mi;

node_state node_of(int64_t cpu, int64_t memory, int64_t pods = 110) {
  node_state n;
  n.name = "n";
  n.allocatable.milli_cpu = cpu;
  n.allocatable.memory_bytes = memory;
  n.allowed_pods = pods;
  return n;
}
pod_wants pod_of(int64_t cpu, int64_t memory) {
  pod_wants p;
  p.requests.milli_cpu = p.score_milli_cpu = cpu;
  p.requests.memory_bytes = p.score_memory_bytes = memory;
  return p;
}
container_spec container(quantity_map requests, quantity_map limits = {}, bool sidecar = false) {
  container_spec c;
  c.resources.requests = std::move(requests);
  c.resources.limits = std::move(limits);
  if (sidecar) c.restart_policy = "Always";
  return c;
}
std::string texts(const std::vector<refusal>& all) {
  std::string out;
  for (auto& r : all)
    out += (out.empty() ? "" : "; ") + r.text();
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(placement_suite)

BOOST_AUTO_TEST_CASE(least_allocated_vectors) {
  BOOST_TEST(least_allocated(pod_of(3000, 5000), node_of(4000, 10000)) == 37);
  BOOST_TEST(least_allocated(pod_of(3000, 5000), node_of(6000, 10000)) == 50);
  pod_spec empty;
  empty.containers = {container({})};
  BOOST_TEST(least_allocated(wants_of(empty), node_of(4000, 8 * gi)) == 97);
  BOOST_TEST(least_allocated(pod_of(5000, 5000), node_of(4000, 10000)) == 25); // over: that resource gives 0
  BOOST_TEST(least_allocated(pod_of(1, 1), node_of(0, 0)) == 0);
}

BOOST_AUTO_TEST_CASE(balanced_allocation_vectors) {
  BOOST_TEST(balanced_allocation(pod_of(3000, 5000), node_of(4000, 10000)) == 68);
  BOOST_TEST(balanced_allocation(pod_of(3000, 5000), node_of(6000, 10000)) == 75);
  BOOST_TEST(balanced_allocation(pod_of(0, 0), node_of(6000, 10000)) == 0);
  BOOST_TEST(evenness(3000, 4000, 5000, 10000) == 87);
  BOOST_TEST(evenness(9000, 4000, 0, 10000) == 50); // fractions are capped at 1
}

BOOST_AUTO_TEST_CASE(nodes_to_find_vectors) {
  const std::pair<size_t, size_t> table[] = {{50, 50},    {100, 100},  {101, 100}, {500, 230},
                                             {1000, 420}, {5000, 500}, {6000, 300}};
  for (auto [n, expected] : table)
    BOOST_TEST(nodes_to_find(n) == expected, "n = " << n);
}

BOOST_AUTO_TEST_CASE(pod_requests_take_the_larger_of_init_and_running) {
  pod_spec s;
  s.containers = {container({{"cpu", "100m"}, {"memory", "64Mi"}}), container({{"cpu", "200m"}})};
  BOOST_TEST(pod_requests(s).milli_cpu == 300);
  BOOST_TEST(pod_requests(s).memory_bytes == 64 * mi);
  s.init_containers = {container({{"cpu", "1"}})};
  BOOST_TEST(pod_requests(s).milli_cpu == 1000);
  // A sidecar before the step adds to it, and to what runs; one after it does not.
  s.init_containers = {container({{"cpu", "50m"}}, {}, true), container({{"cpu", "1"}}),
                       container({{"cpu", "900m"}}, {}, true)};
  BOOST_TEST(pod_requests(s).milli_cpu == 300 + 50 + 900);
  s.init_containers = {container({{"cpu", "50m"}}, {}, true), container({{"cpu", "2"}})};
  BOOST_TEST(pod_requests(s).milli_cpu == 2050);
  s.overhead = {{"cpu", "10m"}, {"memory", "1Mi"}};
  BOOST_TEST(pod_requests(s).milli_cpu == 2060);
  BOOST_TEST(pod_requests(s).memory_bytes == 65 * mi);
  s = {};
  s.containers = {container({}, {{"memory", "1Gi"}, {"vendor.example/gpu", "2"}})};
  BOOST_TEST(pod_requests(s).memory_bytes == gi);
  BOOST_TEST(pod_requests(s).extended_amount("vendor.example/gpu") == 2);
  BOOST_TEST(wants_of(s).score_memory_bytes == gi);
  BOOST_TEST(wants_of(s).score_milli_cpu == 100);
}

BOOST_AUTO_TEST_CASE(sums_do_not_wrap) {
  constexpr auto most = std::numeric_limits<int64_t>::max();
  quantity_map huge{{"memory", "8Ei"}, {"ephemeral-storage", "8Ei"}, {"vendor.example/gpu", "8Ei"}};
  pod_spec s;
  s.containers = {container(huge), container(huge)};
  s.init_containers = {container(huge, {}, true)};
  s.overhead = {{"memory", "8Ei"}};
  auto wants = wants_of(s);
  BOOST_TEST(wants.requests.memory_bytes == most);
  BOOST_TEST(wants.requests.ephemeral_bytes == most);
  BOOST_TEST(wants.requests.extended_amount("vendor.example/gpu") == most);
  BOOST_TEST(wants.score_memory_bytes == most);
  auto node = node_of(1000, gi);
  BOOST_TEST(!fits(wants, node));
  // Bound by name to a node in spite of it: others are still counted, and it leaves no trace.
  auto small = pod_of(100, gi / 2);
  for (int i = 0; i < 3; ++i)
    node.add(wants);
  node.add(small);
  BOOST_TEST(!fits(small, node));
  BOOST_TEST(least_allocated(small, node) >= 0);
  BOOST_TEST(balanced_allocation(small, node) >= 0);
  for (int i = 0; i < 3; ++i)
    node.remove(wants);
  BOOST_TEST((node.requested.memory_bytes == gi / 2));
  BOOST_TEST(fits(small, node));
  // Nodes may be written by anybody too.
  BOOST_TEST(evenness(0, most, most, most) == 50);
}

BOOST_AUTO_TEST_CASE(refusals_are_kubernetes_words) {
  auto node = node_of(1000, gi, 2);
  auto pod = pod_of(0, 0);
  auto why = [&] {
    BOOST_TEST(fits(pod, node) == refusals(pod, node).empty());
    return texts(refusals(pod, node));
  };
  BOOST_TEST(why() == "");
  pod = pod_of(1001, gi + 1);
  pod.requests.extended = {{"vendor.example/gpu", 1}};
  node.pods = 2;
  BOOST_TEST(why()
             == "Too many pods; Insufficient cpu; Insufficient memory; Insufficient vendor.example/gpu");
  node.pods = 0;
  pod = pod_of(1000, gi);
  BOOST_TEST(why() == "");
  node.requested.milli_cpu = 1;
  BOOST_TEST(why() == "Insufficient cpu");
  pod = pod_of(0, 0);
  node.requested.milli_cpu = 5000; // overcommitted: who asks for nothing still fits
  BOOST_TEST(why() == "");

  node.ports = {{80, "TCP", "10.0.0.1"}};
  pod.ports = {{80, "UDP", "0.0.0.0"}, {80, "TCP", "10.0.0.2"}, {81, "TCP", "0.0.0.0"}};
  BOOST_TEST(why() == "");
  pod.ports = {{80, "TCP", "0.0.0.0"}};
  BOOST_TEST(why() == "node(s) didn't have free ports for the requested pod ports");

  pod = pod_of(0, 0);
  pod.node_selector = {{"disk", "ssd"}};
  BOOST_TEST(why() == "node(s) didn't match Pod's node affinity/selector");
  node.labels = {{"disk", "ssd"}, {"zone", "a"}};
  BOOST_TEST(why() == "");
  node.taints = {{"soft", "x", "PreferNoSchedule", {}}, {"dedicated", "db", "NoSchedule", {}}};
  BOOST_TEST(why() == "node(s) had untolerated taint {dedicated: db}");
  pod.tolerations = {{"dedicated", "Equal", "web", "", {}}};
  BOOST_TEST(why() != "");
  pod.tolerations = {{"dedicated", "", "db", "NoSchedule", {}}};
  BOOST_TEST(why() == "");
  pod.node_name = "other";
  BOOST_TEST(why() == "node(s) didn't match the requested node name");
  pod.node_name = "n";
  node.unschedulable = true;
  BOOST_TEST(why() == "node(s) were unschedulable");
  pod.tolerations.push_back({"node.kubernetes.io/unschedulable", "Exists", "", "NoSchedule", {}});
  BOOST_TEST(why() == "");

  auto on = [](const char* zone) {
    return volume_affinity_of(boost::json::parse(
        R"({"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"zone","operator":"In","values":[")"
        + std::string{zone} + R"("]}]}]}})"));
  };
  pod.volumes = {on("a"), volume_affinity_of(boost::json::parse("{}"))};
  BOOST_TEST(why() == "");
  pod.volumes.push_back(on("b"));
  BOOST_TEST(why() == "node(s) had volume node affinity conflict");
  BOOST_TEST(refusals(pod, node).front().final());
}

BOOST_AUTO_TEST_CASE(tolerations_match_as_kubernetes_has_it) {
  const taint t{"k", "v", "NoExecute", {}};
  auto one = [&](toleration x) { return tolerates({std::move(x)}, t); };
  BOOST_TEST(one({"", "Exists", "", "", {}}));
  BOOST_TEST(!one({"", "Equal", "v", "", {}}));
  BOOST_TEST(one({"k", "Exists", "", "", {}}));
  BOOST_TEST(one({"k", "Exists", "", "NoExecute", {}}));
  BOOST_TEST(!one({"k", "Exists", "", "NoSchedule", {}}));
  BOOST_TEST(one({"k", "Equal", "v", "", {}}));
  BOOST_TEST(!one({"k", "Equal", "w", "", {}}));
  BOOST_TEST(!one({"j", "Exists", "", "", {}}));
}

BOOST_AUTO_TEST_CASE(a_node_that_is_not_ready_is_tainted) {
  node from;
  from.metadata.name = "n1";
  from.status.allocatable = {{"cpu", "2"}, {"memory", "4Gi"}, {"pods", "110"}, {"ephemeral-storage", "10Gi"}};
  node_state n;
  BOOST_TEST(n.describe(from));
  BOOST_TEST(texts(refusals(pod_of(1, 1), n))
             == "node(s) had untolerated taint {node.kubernetes.io/not-ready: }");
  condition ready;
  ready.type = "Ready";
  ready.status = "True";
  from.status.conditions = {ready};
  BOOST_TEST(n.describe(from));
  BOOST_TEST(texts(refusals(pod_of(1, 1), n)) == "");
  BOOST_TEST(n.allocatable.ephemeral_bytes == 10 * gi);
  from.status.conditions[0].last_heartbeat_time = wall_time{};
  BOOST_TEST(!n.describe(from)); // a heartbeat changes nothing
  from.status.conditions[0].status = "Unknown";
  n.describe(from);
  BOOST_TEST(texts(refusals(pod_of(1, 1), n))
             == "node(s) had untolerated taint {node.kubernetes.io/unreachable: }");
}

BOOST_AUTO_TEST_CASE(failure_messages) {
  auto big = pod_of(100'000, 1);
  BOOST_TEST(failure_message(big, {}) == "no nodes available to schedule pods");
  auto small = node_of(1000, gi), tainted = node_of(200'000, gi);
  tainted.taints = {{"a", "b", "NoSchedule", {}}};
  BOOST_TEST(failure_message(big, {small})
             == "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No "
                "preemption victims found for incoming pod.");
  BOOST_TEST(failure_message(big, {small, tainted, small})
             == "0/3 nodes are available: 1 node(s) had untolerated taint {a: b}, 2 Insufficient cpu. "
                "preemption: 0/3 nodes are available: 1 Preemption is not helpful for scheduling, 2 No "
                "preemption victims found for incoming pod.");
}

BOOST_AUTO_TEST_CASE(adding_and_removing_pods_leaves_no_trace) {
  random_stream random{3};
  auto n = node_of(1'000'000, 1'000 * gi);
  std::vector<pod_wants> there;
  for (int i = 0; i < 2'000; ++i) {
    if (!there.empty() && random.below(2) == 0) {
      auto which = random.below(there.size());
      n.remove(there[which]);
      there.erase(there.begin() + static_cast<ptrdiff_t>(which));
    } else {
      auto cpu = static_cast<int64_t>(random.below(1000));
      auto memory = static_cast<int64_t>(random.below(1'000'000));
      auto p = pod_of(cpu, memory);
      p.ports = {{static_cast<int32_t>(random.below(5)), "TCP", "0.0.0.0"}};
      p.requests.extended = {{random.below(2) ? "a" : "b", 1}};
      n.add(p);
      there.push_back(p);
    }
    int64_t cpu = 0, a = 0;
    for (auto& p : there) {
      cpu += p.requests.milli_cpu;
      a += p.requests.extended_amount("a");
    }
    BOOST_REQUIRE((n.requested.milli_cpu == cpu));
    BOOST_REQUIRE((n.requested.extended_amount("a") == a));
    BOOST_REQUIRE(n.pods == static_cast<int64_t>(there.size()));
    BOOST_REQUIRE(n.ports.size() == there.size());
  }
}

BOOST_AUTO_TEST_CASE(the_emptiest_node_wins_and_ties_are_drawn_from_the_seed) {
  std::vector<node_state> nodes(3, node_of(4000, 8 * gi));
  nodes[0].add(pod_of(1000, gi));
  nodes[2].add(pod_of(2000, gi));
  random_stream random{1};
  BOOST_TEST(choose(pod_of(100, mi), nodes, 0, random).node == 1u);
  nodes.assign(4, node_of(4000, 8 * gi));
  nodes[3].allowed_pods = 0;
  std::array<int, 4> drawn{};
  std::string first, second;
  for (int i = 0; i < 300; ++i) {
    auto node = choose(pod_of(100, mi), nodes, 0, random).node;
    ++drawn[node];
    first += static_cast<char>('0' + node);
  }
  BOOST_TEST((drawn[0] > 60 && drawn[1] > 60 && drawn[2] > 60));
  BOOST_TEST(drawn[3] == 0);
  random_stream again{1};
  choose(pod_of(100, mi), {nodes[0], nodes[1]}, 0, again);
  random_stream a{9}, b{9};
  for (int i = 0; i < 50; ++i)
    BOOST_REQUIRE(choose(pod_of(1, 1), nodes, 0, a).node == choose(pod_of(1, 1), nodes, 0, b).node);
  BOOST_TEST(choose(pod_of(100'000, 1), nodes, 0, random).node == SIZE_MAX);
  // A soft taint weighs three times as much as the rest.
  nodes[0].taints = nodes[1].taints = {{"soft", "", "PreferNoSchedule", {}}};
  BOOST_TEST(choose(pod_of(100, mi), nodes, 0, random).node == 2u);
}

BOOST_AUTO_TEST_CASE(required_node_affinity) {
  const std::map<std::string, std::string> labels{{"disk", "ssd"}, {"cores", "8"}};
  auto matches = [&](const std::string& terms) {
    auto pod = boost::json::parse(
        R"({"spec":{"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":)"
        R"({"nodeSelectorTerms":)"
        + terms + "}}}}}");
    return node_affinity_of(pod).matches("n1", labels);
  };
  auto one = [&](const std::string& key, const std::string& op, const std::string& values) {
    return matches(R"([{"matchExpressions":[{"key":")" + key + R"(","operator":")" + op + R"(","values":)"
                   + values + "}]}]");
  };
  struct row {
    const char *key, *op, *values;
    bool met;
  };
  for (auto& r : {row{"disk", "In", R"(["hdd","ssd"])", true}, row{"disk", "In", R"(["hdd"])", false},
                  row{"zone", "In", R"(["a"])", false}, row{"disk", "NotIn", R"(["ssd"])", false},
                  row{"disk", "NotIn", R"(["hdd"])", true}, row{"zone", "NotIn", R"(["a"])", true},
                  row{"disk", "Exists", "[]", true}, row{"zone", "Exists", "[]", false},
                  row{"disk", "DoesNotExist", "[]", false}, row{"zone", "DoesNotExist", "[]", true},
                  row{"cores", "Gt", R"(["7"])", true}, row{"cores", "Gt", R"(["8"])", false},
                  row{"cores", "Lt", R"(["9"])", true}, row{"cores", "Lt", R"(["8"])", false},
                  row{"disk", "Gt", R"(["1"])", false}, row{"zone", "Lt", R"(["1"])", false},
                  row{"cores", "Gt", R"(["x"])", false}, row{"disk", "Like", R"(["ssd"])", false}})
    BOOST_TEST(one(r.key, r.op, r.values) == r.met, r.key << ' ' << r.op << ' ' << r.values);
  BOOST_TEST(matches(R"([{"matchFields":[{"key":"metadata.name","operator":"In","values":["n1"]}]}])"));
  BOOST_TEST(!matches(R"([{"matchFields":[{"key":"metadata.name","operator":"NotIn","values":["n1"]}]}])"));
  BOOST_TEST(!matches("[{}]")); // a term that says nothing means no node
  BOOST_TEST(!matches("[]"));
  // Terms are alternatives, what stands in one is not.
  BOOST_TEST(matches(R"([{},{"matchExpressions":[{"key":"disk","operator":"Exists"}]}])"));
  BOOST_TEST(!matches(R"([{"matchExpressions":[{"key":"disk","operator":"Exists"}],
                           "matchFields":[{"key":"metadata.name","operator":"In","values":["n2"]}]}])"));
  BOOST_TEST(node_affinity_of(boost::json::parse(R"({"spec":{}})")).matches("n1", labels));
}

BOOST_AUTO_TEST_SUITE_END()
