#include "config/decode.hpp"
#include "config/defaults.hpp"
#include "config/json_access.hpp"
#include "config/yaml.hpp"
#include "manifests.hpp"

#include <boost/test/unit_test.hpp>

using namespace podium;
using namespace podium::config;

namespace {

json::value pod_of(std::string_view yaml) {
  auto docs = parse_yaml(yaml);
  BOOST_REQUIRE(docs);
  auto out = decode(docs->front());
  BOOST_REQUIRE(out);
  BOOST_REQUIRE_MESSAGE(out->ok(), api_message(*out));
  return out->object;
}

struct row {
  const char* spec; ///< JSON of a pod's spec
  const char* path; ///< JSON pointer into the defaulted spec
  const char* value;
};

const row rows[] = {
    {"{}", "/restartPolicy", R"("Always")"},
    {R"({"restartPolicy":"Never"})", "/restartPolicy", R"("Never")"},
    {"{}", "/dnsPolicy", R"("ClusterFirst")"},
    {"{}", "/terminationGracePeriodSeconds", "30"},
    {R"({"terminationGracePeriodSeconds":0})", "/terminationGracePeriodSeconds", "0"},
    {"{}", "/securityContext", "{}"},
    {"{}", "/schedulerName", R"("default-scheduler")"},
    {"{}", "/enableServiceLinks", "true"},
    {"{}", "/serviceAccountName", R"("default")"},
    {"{}", "/serviceAccount", R"("default")"},
    {R"({"serviceAccount":"old"})", "/serviceAccountName", R"("old")"},
    {"{}", "/priority", "0"},
    {R"({"priorityClassName":"system-node-critical"})", "/priority", "2000001000"},
    {"{}", "/preemptionPolicy", R"("PreemptLowerPriority")"},
    {"{}", "/tolerations/0/key", R"("node.kubernetes.io/not-ready")"},
    {"{}", "/tolerations/1",
     R"({"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300})"},
    {R"({"tolerations":[{"operator":"Exists"}]})", "/tolerations", R"([{"operator":"Exists"}])"},
    {R"({"containers":[{"image":"busybox"}]})", "/containers/0/imagePullPolicy", R"("Always")"},
    {R"({"containers":[{"image":"busybox:latest"}]})", "/containers/0/imagePullPolicy", R"("Always")"},
    {R"({"containers":[{"image":"busybox:1.36"}]})", "/containers/0/imagePullPolicy", R"("IfNotPresent")"},
    {R"({"containers":[{"image":"host:5000/busybox"}]})", "/containers/0/imagePullPolicy", R"("Always")"},
    {R"({"containers":[{"image":"host:5000/busybox:2"}]})", "/containers/0/imagePullPolicy",
     R"("IfNotPresent")"},
    {R"({"containers":[{"image":"b@sha256:00"}]})", "/containers/0/imagePullPolicy", R"("IfNotPresent")"},
    {R"({"containers":[{"image":"b","imagePullPolicy":"Never"}]})", "/containers/0/imagePullPolicy",
     R"("Never")"},
    {R"({"containers":[{}]})", "/containers/0/terminationMessagePath", R"("/dev/termination-log")"},
    {R"({"containers":[{}]})", "/containers/0/terminationMessagePolicy", R"("File")"},
    {R"({"containers":[{}]})", "/containers/0/resources", "{}"},
    {R"({"initContainers":[{}]})", "/initContainers/0/terminationMessagePolicy", R"("File")"},
    {R"({"containers":[{"ports":[{"containerPort":80}]}]})", "/containers/0/ports/0/protocol", R"("TCP")"},
    {R"({"hostNetwork":true,"containers":[{"ports":[{"containerPort":80}]}]})",
     "/containers/0/ports/0/hostPort", "80"},
    {R"({"containers":[{"resources":{"limits":{"cpu":"1","memory":"1Gi"},"requests":{"cpu":"500m"}}}]})",
     "/containers/0/resources/requests", R"({"cpu":"500m","memory":"1Gi"})"},
    {R"({"containers":[{"resources":{"limits":{"cpu":"100u"}}}]})", "/containers/0/resources/limits/cpu",
     R"("1m")"},
    {R"({"containers":[{"livenessProbe":{"exec":{"command":["a"]}}}]})", "/containers/0/livenessProbe",
     R"({"exec":{"command":["a"]},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3})"},
    {R"({"containers":[{"livenessProbe":{"periodSeconds":0,"failureThreshold":5}}]})",
     "/containers/0/livenessProbe/periodSeconds", "10"},
    {R"({"containers":[{"readinessProbe":{"httpGet":{"port":80}}}]})", "/containers/0/readinessProbe/httpGet",
     R"({"port":80,"path":"/","scheme":"HTTP"})"},
    {R"({"containers":[{"lifecycle":{"preStop":{"httpGet":{"port":80}}}}]})",
     "/containers/0/lifecycle/preStop/httpGet/path", R"("/")"},
    {R"({"containers":[{"env":[{"name":"A","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}]}]})",
     "/containers/0/env/0/valueFrom/fieldRef/apiVersion", R"("v1")"},
    {R"({"volumes":[{"name":"v"}]})", "/volumes/0/emptyDir", "{}"},
    {R"({"volumes":[{"name":"v","secret":{"secretName":"s"}}]})", "/volumes/0/secret/defaultMode", "420"},
    {R"({"volumes":[{"name":"v","hostPath":{"path":"/x"}}]})", "/volumes/0/hostPath/type", R"("")"},
};

struct qos_row {
  const char* spec;
  const char* qos;
};

#define PODIUM_RES(requests, limits) R"({"resources":{"requests":)" requests R"(,"limits":)" limits "}}"

const qos_row qos_rows[] = {
    {R"({"containers":[{}]})", "BestEffort"},
    {R"({"containers":[)" PODIUM_RES("{}", "{}") "]}", "BestEffort"},
    {R"({"containers":[)" PODIUM_RES(R"({"cpu":"0"})", "{}") "]}", "BestEffort"},
    {R"({"containers":[)" PODIUM_RES(R"({"cpu":"1"})", "{}") "]}", "Burstable"},
    {R"({"containers":[)" PODIUM_RES(R"({"cpu":"1","memory":"1Gi"})",
                                     R"({"cpu":"1","memory":"1024Mi"})") "]}",
     "Guaranteed"},
    {R"({"containers":[)" PODIUM_RES(R"({"cpu":"1","memory":"1Gi"})", R"({"cpu":"2","memory":"1Gi"})") "]}",
     "Burstable"},
    {R"({"containers":[)" PODIUM_RES(R"({"cpu":"1","memory":"1Gi"})",
                                     R"({"cpu":"1","memory":"1Gi"})") ",{}]}",
     "Burstable"},
    {R"({"containers":[)" PODIUM_RES(R"({"memory":"1Gi"})", R"({"memory":"1Gi"})") "]}", "Burstable"},
    {R"({"containers":[)" PODIUM_RES("{}", R"({"ephemeral-storage":"1Gi"})") "]}", "BestEffort"},
};

} // namespace

BOOST_AUTO_TEST_SUITE(defaults_suite)

BOOST_AUTO_TEST_CASE(pods) {
  for (const auto& r : rows)
    BOOST_TEST_CONTEXT(r.spec << " " << r.path) {
      json::value pod{{"kind", "Pod"}, {"spec", json::parse(r.spec)}};
      default_pod(pod);
      json::error_code ec;
      const auto* at = pod.at("spec").find_pointer(r.path, ec);
      BOOST_REQUIRE(at != nullptr);
      BOOST_TEST((*at == json::parse(r.value)), json::serialize(*at));
      auto again = pod;
      default_pod(again);
      BOOST_TEST((again == pod));
    }
}

BOOST_AUTO_TEST_CASE(qos) {
  for (const auto& r : qos_rows)
    BOOST_TEST_CONTEXT(r.spec) {
      BOOST_TEST(qos_class(json::parse(r.spec).as_object()) == r.qos);
    }
  BOOST_TEST(qos_class(pod_of(test::frontend).at("spec").as_object()) == "Burstable");
}

BOOST_AUTO_TEST_CASE(new_pods_have_a_status) {
  auto pod = pod_of(test::liveness_exec);
  default_pod(pod);
  pod.as_object()["status"] = {{"phase", "Running"}};
  init_pod_status(pod);
  BOOST_TEST(json::serialize(pod.at("status")) == R"({"phase":"Pending","qosClass":"BestEffort"})");
}

BOOST_AUTO_TEST_CASE(no_token_is_mounted) {
  auto pod = pod_of(test::liveness_exec);
  default_pod(pod);
  BOOST_TEST(!has(pod.at("spec"), "volumes"));
  BOOST_TEST(!has(pod.at("spec").at("containers").at(0), "volumeMounts"));
}

BOOST_AUTO_TEST_CASE(namespaces) {
  json::value ns{{"metadata", {{"name", "x"}}}};
  apply_defaults({"", "v1", "Namespace"}, ns);
  BOOST_TEST(
      json::serialize(ns)
      == R"({"metadata":{"name":"x","labels":{"kubernetes.io/metadata.name":"x"}},"spec":{"finalizers":["kubernetes"]},)"
         R"("status":{"phase":"Active"}})");
}

BOOST_AUTO_TEST_CASE(nodes) {
  json::value node{{"spec", {{"podCIDR", "10.0.0.0/24"}}}, {"status", {{"capacity", {{"cpu", "4"}}}}}};
  apply_defaults({"", "v1", "Node"}, node);
  BOOST_TEST(node.at("status").at("allocatable").at("cpu") == "4");
  BOOST_TEST(node.at("spec").at("podCIDRs").at(0) == "10.0.0.0/24");
}

BOOST_AUTO_TEST_SUITE_END()
