#include "config/settings.hpp"
#include "core/error.hpp"

#include "why.hpp"

#include <boost/test/unit_test.hpp>

using namespace podium;
using namespace podium::config;
using namespace std::chrono_literals;

namespace {

struct bad_row {
  const char* text;
  const char* error;
};

const bad_row bad_rows[] = {
    {"maxPod: 3", "p.yaml:1:1: there is no setting maxPod (podium settings lists them)"},
    {"max_pods: 3", "p.yaml:1:1: there is no setting max_pods (did you mean maxPods?)"},
    {"allowedUnsafeSysctls: 'net.core.*, kernel.panic'",
     "p.yaml:1:23: allowedUnsafeSysctls has kernel.panic, which is not known to be a parameter of one pod's "
     "namespaces"},
    {"allowedUnsafeSysctls: 'net.*.x'",
     "p.yaml:1:23: allowedUnsafeSysctls has net.*.x: a * may stand at the end only"},
    {"maxPods: many", "p.yaml:1:10: maxPods must be a whole number"},
    {"maxPods: 0", "p.yaml:1:10: maxPods must be at least 1"},
    {"maxPods: 1.5", "p.yaml:1:10: maxPods must be a whole number"},
    {"runtime: docker", "p.yaml:1:10: runtime must be one of: auto crun runc"},
    {"runtime: 'auto crun'", "p.yaml:1:10: runtime must be one of: auto crun runc"},
    {"dataDir: var", "p.yaml:1:10: dataDir must be an absolute path"},
    {"nodeName: A_b", "p.yaml:1:11: nodeName a lowercase RFC 1123 subdomain"},
    {"access: {tokenFile: tokens}", "p.yaml:1:21: access.tokenFile must be an absolute path"},
    {"access: {rules: 5}", "p.yaml:1:17: access.rules must be a list of rules"},
    {"access: {rules: [{verb: [get]}]}",
     "p.yaml:1:17: access.rules rule 1: there is no verb (a rule has users, groups, verbs,"},
    {"access: {rules: [{users: jane}]}", "p.yaml:1:17: access.rules rule 1: users must be a list of texts"},
    {"access: {rules: [{users: [1]}]}",
     "p.yaml:1:17: access.rules rule 1: users must be a list of texts (quote"},
    {"access: {rules: [{verbs: [get]}]}",
     "p.yaml:1:17: access.rules rule 1: users or groups must say for whom it is"},
    {"access: {rules: [{users: [a], verbs: [get], resources: [pods]}]}",
     "p.yaml:1:17: access.rules rule 1: apiGroups and resources must be given"},
    {"access: {rules: [{users: [a], verbs: [get], resources: [pods], nonResourceURLs: [/x]}]}",
     "p.yaml:1:17: access.rules rule 1: it is about resources or about nonResourceURLs, not both"},
    {"api: 5", "p.yaml:1:6: api must be a map of settings"},
    {"api:\n  listen: localhost", "p.yaml:2:11: api.listen must be address:port, such as 127.0.0.1:6443"},
    {"api:\n  maxBodyBytes: 3MB", "p.yaml:2:17: api.maxBodyBytes quantities must match"},
    {"network:\n  podCIDR: 10.0.0.0", "p.yaml:2:12: network.podCIDR must be a valid CIDR value"},
    {"network:\n  bridge: a-much-too-long-name", "p.yaml:2:11: network.bridge must be an interface name"},
    {"crashLoopBackOff:\n  first: 10",
     "p.yaml:2:10: crashLoopBackOff.first must be a duration, such as 300ms, 10s or 1m20s"},
    {"crashLoopBackOff:\n  first: -1s", "p.yaml:2:10: crashLoopBackOff.first must be at least 0s"},
    {"crashLoopBackOff:\n  factor: 0.5", "p.yaml:2:11: crashLoopBackOff.factor must be at least 1"},
    {"imageGC: {highThresholdPercent: 101}", "p.yaml:1:33: imageGC.highThresholdPercent must be at most 100"},
    {"imageGC: {lowThresholdPercent: 85}",
     "p.yaml:1:32: imageGC.lowThresholdPercent must be less than imageGC.highThresholdPercent"},
    {"registryMirrors: []", "p.yaml:1:18: registryMirrors must be a map of registry hosts"},
    {"registryMirrors: {docker.io: [{}]}", "p.yaml:1:18: registryMirrors docker.io: a mirror is"},
    {"registryMirrors: {docker.io: [{layout: /x, registry: y}]}",
     "p.yaml:1:18: registryMirrors docker.io: a mirror is"},
    {"nodeLabels: {a: 1}", "p.yaml:1:13: nodeLabels the label a must be text (quote it)"},
    {"a: 1\na: 2", "p.yaml:2:1: key \"a\" already set in map (first on line 1)"},
    {"--- {}\n--- {maxPods: 3}", "p.yaml: one document is wanted, not several"},
    {"[]", "p.yaml: settings are a map of names and values"},
};

} // namespace

BOOST_AUTO_TEST_SUITE(settings_suite)

BOOST_AUTO_TEST_CASE(what_does_not_come_from_a_file_is_checked_by_the_same_rules) {
  BOOST_TEST(!check_settings({}));
  settings s;
  s.api.listen = "[::1]:0";
  BOOST_TEST(!check_settings(s));
  s.api.listen = "localhost:6443";
  s.data_dir = "here";
  s.node_name = "A_b";
  s.max_pods = 0;
  s.runtime = "docker";
  s.crash_loop_back_off.factor = 0.5;
  s.events.ttl = 0s;
  s.node_labels["a b"] = "c";
  auto text = message_of(check_settings(s));
  for (auto* part :
       {"dataDir must be an absolute path", "nodeName a lowercase RFC 1123 subdomain",
        "nodeLabels the label a b: ", "maxPods must be at least 1", "runtime must be one of: auto crun runc",
        "crashLoopBackOff.factor must be at least 1", "events.ttl must be at least 1s",
        "api.listen must be address:port, such as 127.0.0.1:6443"})
    BOOST_TEST(text.find(part) != std::string::npos, part << " is missing in: " << text);
}

BOOST_AUTO_TEST_CASE(an_empty_file_gives_the_defaults) {
  auto s = parse_settings("");
  BOOST_REQUIRE(s);
  BOOST_TEST(s->data_dir == "/var/lib/podium");
  BOOST_TEST(s->run_dir == "/run/podium");
  BOOST_TEST(s->api.listen == "127.0.0.1:6443");
  BOOST_TEST((s->crash_loop_back_off.first == 10s));
  BOOST_TEST((s->crash_loop_back_off.max == 300s));
  BOOST_TEST((s->crash_loop_back_off.reset == 600s));
  BOOST_TEST(s->max_pods == 110);
}

BOOST_AUTO_TEST_CASE(everything_can_be_set) {
  auto s = parse_settings(R"(
dataDir: /tmp/d
nodeName: edge-1
nodeLabels: {env_role: dev}
maxPods: 7
runtime: crun
api:
  listen: "[::1]:0"
  maxBodyBytes: 64Ki
  idleTimeout: 1m20s
network: {podCIDR: 10.1.0.0/24, bridge: pod1, mtu: 1400}
registryMirrors:
  docker.io:
  - layout: /srv/images
  - {registry: "mirror.example:5000", insecure: yes}
crashLoopBackOff: {first: 10ms, factor: 1.5, max: 1s, reset: 2s}
imageGC: {lowThresholdPercent: 90, highThresholdPercent: 95, minAge: 1s, period: 1m}
grace: {minimum: 100ms}
store: {kind: memory}
events: {ttl: 5m}
)");
  BOOST_REQUIRE_MESSAGE(s, test::why(s));
  BOOST_TEST(s->data_dir == "/tmp/d");
  BOOST_TEST(s->node_labels.at("env_role") == "dev");
  BOOST_TEST(s->api.listen == "[::1]:0");
  BOOST_TEST(s->api.max_body_bytes == 65536);
  BOOST_TEST((s->api.idle_timeout == 80s));
  BOOST_TEST(s->network.mtu == 1400);
  const auto& mirrors = s->registry_mirrors.at("docker.io");
  BOOST_REQUIRE(mirrors.size() == 2);
  BOOST_TEST(mirrors[0].layout == "/srv/images");
  BOOST_TEST(mirrors[1].insecure);
  BOOST_TEST((s->crash_loop_back_off.first == 10ms));
  BOOST_TEST(s->crash_loop_back_off.factor == 1.5);
  BOOST_TEST(s->store.kind == "memory");
  BOOST_TEST(s->image_gc.low_threshold_percent == 90);
  BOOST_TEST((s->image_gc.period == 60s));
}

BOOST_AUTO_TEST_CASE(rules_of_access) {
  auto s = parse_settings(R"(
access:
  tokenFile: /etc/podium/tokens
  rules:
  - {users: [jane], groups: [dev], verbs: [get], apiGroups: [""], resources: [pods, pods/log], namespaces: [default]}
  - {groups: [monitoring], verbs: [get], nonResourceURLs: [/metrics]}
)");
  BOOST_REQUIRE_MESSAGE(s, test::why(s));
  BOOST_TEST(s->access.token_file == "/etc/podium/tokens");
  BOOST_REQUIRE(s->access.rules.size() == 2u);
  BOOST_TEST(s->access.rules[0].resources.at(1) == "pods/log");
  BOOST_TEST(s->access.rules[0].namespaces.at(0) == "default");
  BOOST_TEST(s->access.rules[1].non_resource_urls.at(0) == "/metrics");
}

BOOST_AUTO_TEST_CASE(mistakes_are_told_where) {
  for (const auto& r : bad_rows)
    BOOST_TEST_CONTEXT(r.text) {
      auto s = parse_settings(r.text, "p.yaml");
      BOOST_REQUIRE(!s);
      BOOST_TEST(test::why(s).starts_with(r.error), test::why(s));
    }
  auto both = parse_settings("maxPods: x\nstore: {kind: y}", "p.yaml");
  BOOST_REQUIRE(!both);
  BOOST_TEST(std::ranges::count(message_of(both.error()), '\n') == 1);
}

BOOST_AUTO_TEST_CASE(the_reference_reads_back) {
  auto text = settings_reference();
  auto s = parse_settings(text, "reference");
  BOOST_REQUIRE_MESSAGE(s, test::why(s));
  BOOST_TEST(s->api.max_header_bytes == settings{}.api.max_header_bytes);
  BOOST_TEST((s->image_pull_back_off.reset == settings{}.image_pull_back_off.reset));
  for (const auto& info : all_settings())
    BOOST_TEST(!info.doc.empty(), info.path);
}

BOOST_AUTO_TEST_SUITE_END()
