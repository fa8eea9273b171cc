#include "api/usage_meter.hpp"
#include "tests/api/api_world.hpp"

using namespace podium;
using namespace podium::test;
using api::usage_counters;
using api::usage_reading;
using api::usage_target;

namespace {

/// Counters that a test sets. Each look is half a second (of its own time) after the one before.
struct set_usage : api::usage_source {
  explicit set_usage(event_loop& l) : loop(l) {}
  const std::string& node_name() const override { return name; }
  void read(std::vector<usage_target> targets, std::function<void(usage_reading)> done) override {
    if (++looks == 1) first_look.set_value();
    at += step;
    cpu_ns += cpu_step;
    usage_reading out{std::chrono::steady_clock::time_point{at}, usage_counters{"", 2 * cpu_ns, 3 << 20}, {}};
    for (auto& t : targets)
      out.containers.push_back(
          t.container == "gone" ? std::nullopt : std::optional{usage_counters{instance, cpu_ns, 5 << 10}});
    loop.post([done, out] { done(out); });
  }
  event_loop& loop;
  std::string name = "n1", instance = "one";
  int looks = 0;
  std::promise<void> first_look;
  int64_t cpu_ns = 1'000'000'000, cpu_step = 500'000'000;
  std::chrono::nanoseconds at = 100s, step = 1s;
};

struct known_source {
  set_usage* source = nullptr;
};

struct measured_world : known_source, api_world {
  measured_world()
      : api_world(nullptr, {}, 10'000, [this](event_loop& l) {
          auto made = std::make_shared<set_usage>(l);
          source = made.get();
          return made;
        }) {}
};

} // namespace

BOOST_AUTO_TEST_SUITE(metrics_suite)

BOOST_AUTO_TEST_CASE(a_rate_needs_two_looks_and_the_next_asker_one) {
  event_loop loop;
  auto source = std::make_shared<set_usage>(loop);
  auto meter = std::make_shared<api::usage_meter>(loop, source);
  auto measure = [&](std::vector<usage_target> targets) {
    std::promise<api::measured_usage> answered;
    loop.post([&] { meter->measure(targets, [&](auto& used) { answered.set_value(used); }); });
    return answered.get_future().get();
  };
  const usage_target c{"uid", "c"}, gone{"uid", "gone"};
  auto used = measure({c, gone});
  BOOST_TEST(source->looks == 2);
  BOOST_REQUIRE(used.node);
  BOOST_TEST(used.node->cpu_nanocores == 1'000'000'000); // a whole core
  BOOST_TEST(used.containers.size() == 1u);
  BOOST_TEST(used.containers.at(c).cpu_nanocores == 500'000'000);
  BOOST_TEST(used.containers.at(c).memory_bytes == 5 << 10);
  source->step = 10s;
  used = measure({c});
  BOOST_TEST(source->looks == 3);
  BOOST_TEST(used.containers.at(c).cpu_nanocores == 50'000'000);
  BOOST_TEST((used.containers.at(c).window == 10s));
  // Another instance has other counters; what was long ago says nothing of now.
  source->instance = "two";
  source->cpu_ns = 0;
  used = measure({c});
  BOOST_TEST(source->looks == 5);
  BOOST_TEST(used.containers.at(c).cpu_nanocores == 50'000'000);
  source->step = 200s;
  used = measure({c});
  BOOST_TEST(source->looks == 7);
  BOOST_TEST(used.containers.empty());
  std::promise<void> dropped;
  loop.post([&] {
    meter.reset();
    dropped.set_value();
  });
  dropped.get_future().wait();
  loop.stop();
}

BOOST_FIXTURE_TEST_CASE(metrics_of_pods_and_nodes, measured_world) {
  const std::string path = "/apis/metrics.k8s.io/v1beta1";
  post("/api/v1/nodes", R"({"kind":"Node","apiVersion":"v1","metadata":{"name":"n1","labels":{"a":"b"}}})");
  make_running_pod("runs");
  post(pods, pod_text("waits"));
  auto nodes = get(path + "/nodes");
  BOOST_TEST(nodes.at("/kind") == "NodeMetricsList");
  BOOST_TEST(nodes.at("/items/0/metadata/name") == "n1");
  BOOST_TEST(nodes.at("/items/0/metadata/labels/a") == "b");
  BOOST_TEST(nodes.at("/items/0/usage/cpu") == "1");
  BOOST_TEST(nodes.at("/items/0/usage/memory") == "3Mi");
  auto list = get(path + "/namespaces/default/pods");
  BOOST_TEST(list.at("/kind") == "PodMetricsList");
  BOOST_TEST(list.json().at("items").as_array().size() == 1u);
  BOOST_TEST(list.at("/items/0/metadata/name") == "runs");
  BOOST_TEST(list.at("/items/0/window") == "1s");
  BOOST_TEST(list.at("/items/0/containers/0/name") == "c");
  BOOST_TEST(list.at("/items/0/containers/0/usage/cpu") == "500m");
  BOOST_TEST(list.at("/items/0/containers/0/usage/memory") == "5Ki");
  BOOST_TEST(get(path + "/pods?labelSelector=x%3Dy").json().at("items").as_array().empty());
  BOOST_TEST(get(path + "/namespaces/default/pods/runs").at("/kind") == "PodMetrics");
  BOOST_TEST(get(path + "/namespaces/default/pods/nope").at("/message") == "pods \"nope\" not found");
  BOOST_TEST(get(path + "/namespaces/default/pods/waits").at("/message")
             == "podmetrics.metrics.k8s.io \"default/waits\" not found");
  BOOST_TEST(get(path + "/nodes/n1").at("/usage/cpu") == "1");
  BOOST_TEST(get(path + "/nodes?watch=true").status == 405);
  BOOST_TEST(send("DELETE", path + "/nodes/n1").status == 405);
  auto table = get(path + "/namespaces/default/pods", "application/json;as=Table;v=v1;g=meta.k8s.io");
  BOOST_TEST(table.at("/rows/0/cells")
             == R"(["runs","500m","5Ki",")" + table.at("/rows/0/cells/3") + R"("])");
}

BOOST_FIXTURE_TEST_CASE(a_server_that_ends_between_two_looks_looks_no_more, measured_world) {
  post("/api/v1/nodes", R"({"kind":"Node","apiVersion":"v1","metadata":{"name":"n1"}})");
  auto looked = source->first_look.get_future();
  loop.post([this] {
    http_fetch fetch;
    fetch.url = "http://127.0.0.1:" + std::to_string(port) + "/apis/metrics.k8s.io/v1beta1/nodes";
    client->send(std::move(fetch), [](const caf::expected<http_reply>&) {});
  });
  BOOST_TEST((looked.wait_for(30s) == std::future_status::ready));
}

BOOST_FIXTURE_TEST_CASE(a_server_without_a_node_measures_none, api_world) {
  BOOST_TEST(get("/apis/metrics.k8s.io/v1beta1/nodes").status == 503);
}

BOOST_AUTO_TEST_SUITE_END()
