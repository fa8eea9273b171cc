#include "runtime/sim/deterministic_system.hpp"
#include "runtime/sim/sim_images.hpp"
#include "runtime/sim/sim_probes.hpp"
#include "runtime/sim/sim_runtime.hpp"

#include <boost/test/unit_test.hpp>

using namespace podium;
using namespace std::chrono_literals;

namespace {

struct image_fixture {
  deterministic_system sim;
  std::shared_ptr<sim_image_store> store = std::make_shared<sim_image_store>();
  image_service_actor images = sim.spawn<sim_images>("node/a/images", store);
  auto inspect(std::string image) { return sim.ask<image_info>(images, inspect_image{std::move(image)}); }
  auto pull(std::string image) { return sim.ask<image_info>(images, pull_image{std::move(image)}, 1h); }
};

struct probe_fixture {
  deterministic_system sim;
  std::shared_ptr<sim_world> world = std::make_shared<sim_world>(sim.env());
  container_runtime_actor runtime = sim.spawn<sim_runtime>("runtime", world);
  probe_executor_actor probes = sim.spawn<sim_probes>("probes", world);
  container_key key{"uid", "a", 0};
  std::string ip;

  void run(sim_profile profile) {
    world->set_profile("a", std::move(profile));
    create_sandbox box;
    box.pod_uid = "uid";
    ip = sim.ask<sandbox_info>(runtime, box)->ip;
    create_container x;
    x.key = key;
    BOOST_REQUIRE(sim.ask<container_created>(runtime, x));
    BOOST_REQUIRE(sim.ask<container_started>(runtime, start_container{key}));
  }
  probe_outcome probe(probe_spec spec) {
    auto outcome = sim.ask<probe_outcome>(probes, run_probe{key, ip, std::move(spec)});
    BOOST_REQUIRE(outcome);
    return *outcome;
  }
  static probe_spec http(std::string path, int32_t port = 80) {
    probe_spec spec;
    spec.http_get = http_get_action{
        .path = std::move(path), .host = "", .scheme = "", .port = {port, ""}, .http_headers = {}};
    return spec;
  }
  static probe_spec tcp(int32_t port) {
    probe_spec spec;
    spec.tcp_socket = tcp_socket_action{{port, ""}, ""};
    return spec;
  }
  static probe_spec grpc(std::string service, int32_t port = 80) {
    probe_spec spec;
    spec.grpc = {port, std::move(service)};
    return spec;
  }
  static probe_spec exec(std::vector<std::string> command) {
    probe_spec spec;
    spec.exec = exec_action{std::move(command)};
    return spec;
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(sim_ports_suite)

BOOST_FIXTURE_TEST_CASE(images_are_present_pulled_or_refused, image_fixture) {
  store->set("busybox:1", {.present = true, .size_bytes = 42});
  store->set("slow", {.pull_delay = 20s});
  store->set("flaky:*", {.fail_pulls = 2, .failure = "503"});
  store->set("gone", {.fail_pulls = -1});
  store->set("rotten", {.broken = true});
  BOOST_TEST(inspect("docker.io/library/busybox:1").operator bool()
             == false); // the pattern is as pods write it
  BOOST_TEST(inspect("busybox:1")->size_bytes == 42);
  BOOST_TEST((code_of(inspect("slow").error()) == errc::not_found));
  auto before = sim.now();
  auto pulled = pull("slow");
  BOOST_REQUIRE(pulled);
  BOOST_TEST((sim.now() - before == 20s));
  BOOST_TEST(inspect("slow:latest")->id == pulled->id);
  BOOST_TEST(pulled->repo_digest.starts_with("docker.io/library/slow@sha256:"));
  BOOST_TEST((code_of(pull("flaky:1").error()) == errc::image_pull));
  BOOST_TEST(message_of(pull("flaky:1").error()).find("503") != std::string::npos);
  BOOST_TEST(pull("flaky:1").operator bool());
  BOOST_TEST(store->pulls("flaky:1") == 3u);
  for (int i = 0; i < 5; ++i)
    BOOST_TEST(!pull("gone"));
  BOOST_TEST((code_of(pull("Not A Name").error()) == errc::image_name));
  BOOST_TEST((code_of(inspect("Not A Name").error()) == errc::image_name));
  BOOST_TEST((code_of(inspect("rotten").error()) == errc::image_inspect));
  BOOST_TEST(sim.ask<image_list>(images, list_images{})->images.size() == 3u);
  store->remove("busybox:1");
  BOOST_TEST(!inspect("busybox:1"));
}

BOOST_FIXTURE_TEST_CASE(http_and_tcp_probes_follow_the_ports, probe_fixture) {
  run({.ports = {{.port = 80, .from = 10s, .until = 20s, .path = "/healthz"},
                 {.port = 80, .from = 10s, .until = 20s, .status = 404},
                 {.port = 80, .from = 20s, .until = 30s, .status = 503},
                 {.port = 81, .latency = 3s},
                 {.port = 82, .transport_error = "body could not be read"}}});
  BOOST_TEST((probe(http("/healthz")).verdict == probe_verdict::failure));
  BOOST_TEST(probe(tcp(80)).output == "dial tcp " + ip + ":80: connect: connection refused");
  sim.run_for(10s);
  BOOST_TEST((probe(http("/healthz")).verdict == probe_verdict::success));
  BOOST_TEST((probe(tcp(80)).verdict == probe_verdict::success));
  BOOST_TEST(probe(http("/other")).output == "HTTP probe failed with statuscode: 404");
  sim.run_for(10s);
  BOOST_TEST(probe(http("/healthz")).output == "HTTP probe failed with statuscode: 503");
  auto before = sim.now();
  BOOST_TEST((probe(http("/", 81)).verdict == probe_verdict::failure));
  BOOST_TEST((sim.now() - before == 1s));
  auto patient = http("/", 81);
  patient.timeout_seconds = 5;
  BOOST_TEST((probe(patient).verdict == probe_verdict::success));
  BOOST_TEST((sim.now() - before == 4s));
  BOOST_TEST((probe(http("/", 82)).verdict == probe_verdict::error));
  auto named = http("/");
  named.http_get->port = {0, "web"};
  BOOST_TEST(probe(named).output == "port web not found");
  ip = "10.9.9.9"; // not the pod's
  BOOST_TEST((probe(tcp(81)).verdict == probe_verdict::failure));
}

BOOST_FIXTURE_TEST_CASE(grpc_probes_follow_the_ports, probe_fixture) {
  run({.ports = {{.port = 80, .path = "web", .health = "NOT_SERVING"},
                 {.port = 80},
                 {.port = 81, .latency = 3s},
                 {.port = 82, .health = ""}}});
  BOOST_TEST((probe(grpc("")).verdict == probe_verdict::success));
  BOOST_TEST(probe(grpc("")).output == "service healthy");
  BOOST_TEST((probe(grpc("web")).verdict == probe_verdict::failure));
  BOOST_TEST(probe(grpc("web")).output == "service unhealthy (responded with \"NOT_SERVING\")");
  for (auto [port, text] :
       {std::pair{81, std::string{"timeout: health rpc did not complete within 1s"}},
        {82, "timeout: failed to connect service \"" + ip + ":82\" within 1s: context deadline exceeded"},
        {83, "timeout: failed to connect service \"" + ip + ":83\" within 1s: context deadline exceeded"}}) {
    auto before = sim.now();
    auto outcome = probe(grpc("", port));
    BOOST_TEST((outcome.verdict == probe_verdict::failure));
    BOOST_TEST(outcome.output == text);
    BOOST_TEST((sim.now() - before == 1s));
  }
}

BOOST_FIXTURE_TEST_CASE(exec_probes_follow_the_commands, probe_fixture) {
  sim_profile profile;
  profile.execs = sim_file("/tmp/healthy", 0s, 30s);
  profile.execs.push_back({.command = "slow", .latency = 2s});
  run(profile);
  BOOST_TEST((probe(exec({"cat", "/tmp/healthy"})).verdict == probe_verdict::success));
  BOOST_TEST(probe(exec({"slow"})).output == "command timed out after 1s");
  sim.run_for(30s);
  BOOST_TEST((probe(exec({"cat", "/tmp/healthy"})).verdict == probe_verdict::failure));
  BOOST_REQUIRE(world->end_container("uid", "a", 0, sim.now()));
  BOOST_TEST((probe(exec({"cat", "/tmp/healthy"})).verdict == probe_verdict::error));
  BOOST_TEST((probe(tcp(80)).verdict == probe_verdict::failure));
}

BOOST_AUTO_TEST_SUITE_END()
