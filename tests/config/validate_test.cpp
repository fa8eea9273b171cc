#include "config/defaults.hpp"
#include "config/json_access.hpp"
#include "config/manifest.hpp"
#include "config/status.hpp"
#include "config/validate.hpp"
#include "config/yaml.hpp"
#include "manifests.hpp"
#include "why.hpp"

#include <boost/test/unit_test.hpp>

using namespace podium;
using namespace podium::config;

namespace {

const group_version_kind pod_kind{"", "v1", "Pod"};

/// A good pod, its parts replaced by those of `patch` (merged deep; null removes).
void merge(json::value& into, const json::value& patch) {
  if (!patch.is_object() || !into.is_object()) {
    into = patch;
    return;
  }
  for (const auto& [key, value] : patch.get_object()) {
    if (value.is_null())
      into.get_object().erase(key);
    else
      merge(into.get_object()[key], value);
  }
}

json::value pod_with(std::string_view patch) {
  auto pod = json::parse(R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","namespace":"default"},
    "spec":{"containers":[{"name":"c","image":"i"}]}})");
  merge(pod, json::parse(patch));
  default_pod(pod);
  return pod;
}

/// Container "c" with these fields besides name and image.
std::string container(std::string_view fields) {
  return R"({"spec":{"containers":[{"name":"c","image":"i",)" + std::string{fields} + "}]}}";
}

std::string text_of(const field_causes& causes) {
  std::string out;
  for (const auto& cause : causes)
    out += (out.empty() ? "" : "\n") + cause.field + ": " + cause.message;
  return out;
}

struct row {
  std::string patch;
  const char* causes; ///< all of them, one a line; a prefix is enough
};

#define PODIUM_C "spec.containers[0]."

const row bad[] = {
    {R"({"metadata":{"name":null}})", "metadata.name: Required value: name or generateName is required"},
    {R"({"metadata":{"name":"A"}})",
     "metadata.name: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of"},
    {R"({"metadata":{"name":"a_b"}})",
     "metadata.name: Invalid value: \"a_b\": a lowercase RFC 1123 subdomain"},
    {R"({"metadata":{"name":"-a"}})", "metadata.name: Invalid value: \"-a\": a lowercase RFC 1123 subdomain"},
    {R"({"metadata":{"name":")" + std::string(254, 'a') + "\"}}", "metadata.name: Invalid value: \"aaaa"},
    {R"({"metadata":{"generateName":"A-","name":null}})",
     "metadata.generateName: Invalid value: \"A-\": a lowercase"},
    {R"({"metadata":{"namespace":"a.b"}})",
     "metadata.namespace: Invalid value: \"a.b\": must not contain dots"},
    {R"({"metadata":{"labels":{"-x":"y"}}})",
     "metadata.labels: Invalid value: \"-x\": name part must consist of"},
    {R"({"metadata":{"labels":{"x":"y z"}}})",
     "metadata.labels: Invalid value: \"y z\": a valid label must be an empty string"},
    {R"({"metadata":{"labels":{"a/b/c":"y"}}})",
     "metadata.labels: Invalid value: \"a/b/c\": a qualified name must consist of"},
    {R"({"metadata":{"labels":{"/c":"y"}}})",
     "metadata.labels: Invalid value: \"/c\": prefix part must be non-empty"},
    {R"({"metadata":{"annotations":{"a b":"y"}}})",
     "metadata.annotations: Invalid value: \"a b\": name part must consist of"},
    {R"({"metadata":{"annotations":{"a":")" + std::string(300'000, 'x') + "\"}}}",
     "metadata.annotations: Too long: may not be more than 262144 bytes"},
    {R"({"metadata":{"finalizers":["x"]}})",
     "metadata.finalizers[0]: Invalid value: \"x\": name is neither a "
     "standard finalizer name nor is it fully qualified"},
    {R"({"spec":{"containers":[]}})", "spec.containers: Required value"},
    {R"({"spec":{"containers":null}})", "spec.containers: Required value"},
    {R"({"spec":{"containers":[{"image":"i"}]}})", "spec.containers[0].name: Required value"},
    {R"({"spec":{"containers":[{"name":"c"}]}})", "spec.containers[0].image: Required value"},
    {R"({"spec":{"containers":[{}]}})",
     "spec.containers[0].name: Required value\nspec.containers[0].image: Required value"},
    {R"({"spec":{"containers":[{"name":"C","image":"i"}]}})",
     "spec.containers[0].name: Invalid value: \"C\": a lowercase RFC 1123 label"},
    {R"({"spec":{"containers":[{"name":"c","image":" i"}]}})",
     "spec.containers[0].image: Invalid value: \" i\": must not have leading or trailing whitespace"},
    {R"({"spec":{"containers":[{"name":"c","image":"i"},{"name":"c","image":"i"}]}})",
     "spec.containers[1].name: Duplicate value: \"c\""},
    {R"({"spec":{"initContainers":[{"name":"c","image":"i"}]}})",
     "spec.initContainers[0].name: Duplicate value: \"c\""},
    {R"({"spec":{"restartPolicy":"Sometimes"}})",
     R"(spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never")"},
    {R"({"spec":{"dnsPolicy":"X"}})",
     R"(spec.dnsPolicy: Unsupported value: "X": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")"},
    {R"({"spec":{"dnsPolicy":"None"}})",
     "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"},
    {R"({"spec":{"nodeName":"N!"}})", "spec.nodeName: Invalid value: \"N!\": a lowercase RFC 1123 subdomain"},
    {R"({"spec":{"hostname":"a.b"}})", "spec.hostname: Invalid value: \"a.b\": must not contain dots"},
    {R"({"spec":{"nodeSelector":{"a":"b c"}}})", "spec.nodeSelector: Invalid value: \"b c\": a valid label"},
    {R"({"spec":{"activeDeadlineSeconds":0}})",
     "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"},
    {R"({"spec":{"securityContext":{"runAsUser":-1}}})",
     "spec.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive"},
    {R"({"spec":{"shareProcessNamespace":true,"hostPID":true}})",
     "spec.securityContext.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID "
     "cannot both be "
     "enabled"},
    {R"({"spec":{"tolerations":[{"operator":"Equal"}]}})",
     "spec.tolerations[0].operator: Invalid value: \"Equal\": operator must be Exists when `key` is empty"},
    {R"({"spec":{"tolerations":[{"key":"a","operator":"Like"}]}})",
     R"(spec.tolerations[0].operator: Unsupported value: "Like": supported values: "Equal", "Exists")"},
    {R"({"spec":{"tolerations":[{"key":"a","effect":"NoSchedule","tolerationSeconds":1}]}})",
     "spec.tolerations[0].effect: Invalid value: \"NoSchedule\": effect must be 'NoExecute' when "
     "`tolerationSeconds` is set"},
    {R"({"spec":{"volumes":[{"name":"V"}]}})",
     "spec.volumes[0].name: Invalid value: \"V\": a lowercase RFC 1123 label"},
    {R"({"spec":{"volumes":[{"name":"v"},{"name":"v"}]}})", "spec.volumes[1].name: Duplicate value: \"v\""},
    {R"({"spec":{"volumes":[{"name":"v","hostPath":{"path":"/a/../b"}}]}})",
     "spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'"},
    {R"({"spec":{"volumes":[{"name":"v","hostPath":{}}]}})", "spec.volumes[0].hostPath.path: Required value"},
    {R"({"spec":{"volumes":[{"name":"v","emptyDir":{},"hostPath":{"path":"/x"}}]}})",
     "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"},
    {R"({"spec":{"initContainers":[{"name":"i","image":"i","livenessProbe":{"exec":{"command":["a"]}}}]}})",
     "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without "
     "restartPolicy=Always"},
    {container(R"("imagePullPolicy":"Maybe")"), PODIUM_C
     R"(imagePullPolicy: Unsupported value: "Maybe": supported values: "Always", "IfNotPresent", "Never")"},
    {container(R"("terminationMessagePolicy":"X")"), PODIUM_C
     R"(terminationMessagePolicy: Unsupported value: "X": supported values: "File", "FallbackToLogsOnError")"},
    {container(R"("ports":[{"containerPort":0}])"), PODIUM_C "ports[0].containerPort: Required value"},
    {container(R"("ports":[{"containerPort":70000}])"),
     PODIUM_C "ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"},
    {container(R"("ports":[{"containerPort":80,"hostPort":-1}])"),
     PODIUM_C "ports[0].hostPort: Invalid value: -1: must be between 1 and 65535, inclusive"},
    {container(R"("ports":[{"containerPort":80,"protocol":"tcp"}])"),
     PODIUM_C R"(ports[0].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP")"},
    // Ports, variables, probes and all the rest: tests/config/corpus/bad.
    {container(R"("env":[{"value":"x"}])"), PODIUM_C "env[0].name: Required value"},
    {container(R"("volumeMounts":[{"name":"v","mountPath":"/v"}])"),
     PODIUM_C "volumeMounts[0].name: Not found: \"v\""},
    {container(R"("volumeMounts":[{"name":"v"}])"), PODIUM_C
     "volumeMounts[0].name: Not found: \"v\"\nspec.containers[0].volumeMounts[0].mountPath: Required value"},
    {container(R"("livenessProbe":{})"),
     PODIUM_C "livenessProbe: Required value: must specify a handler type"},
    {container(R"("livenessProbe":{"exec":{"command":["a"]},"tcpSocket":{"port":80}})"),
     PODIUM_C "livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"},
    {container(R"("livenessProbe":{"exec":{}})"), PODIUM_C "livenessProbe.exec.command: Required value"},
    {container(R"("livenessProbe":{"exec":{"command":["a"]},"periodSeconds":-1})"),
     PODIUM_C "livenessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0"},
    {container(R"("livenessProbe":{"exec":{"command":["a"]},"successThreshold":2})"),
     PODIUM_C "livenessProbe.successThreshold: Invalid value: 2: must be 1"},
    {container(R"("startupProbe":{"exec":{"command":["a"]},"successThreshold":2})"),
     PODIUM_C "startupProbe.successThreshold: Invalid value: 2: must be 1"},
    {container(R"("readinessProbe":{"exec":{"command":["a"]},"terminationGracePeriodSeconds":2})"), PODIUM_C
     "readinessProbe.terminationGracePeriodSeconds: Invalid value: 2: must not be set for readinessProbes"},
    {container(R"("livenessProbe":{"exec":{"command":["a"]},"terminationGracePeriodSeconds":0})"),
     PODIUM_C "livenessProbe.terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0"},
    {container(R"("livenessProbe":{"httpGet":{"port":0}})"),
     PODIUM_C "livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive"},
    {container(R"("livenessProbe":{"httpGet":{"port":"Web!"}})"), PODIUM_C
     "livenessProbe.httpGet.port: Invalid value: \"Web!\": must contain only alpha-numeric characters"},
    {container(R"("livenessProbe":{"httpGet":{"port":80,"scheme":"http"}})"), PODIUM_C
     R"(livenessProbe.httpGet.scheme: Unsupported value: "http": supported values: "HTTP", "HTTPS")"},
    {container(R"("livenessProbe":{"httpGet":{"port":80,"httpHeaders":[{"name":"a b","value":""}]}})"),
     PODIUM_C
     "livenessProbe.httpGet.httpHeaders: Invalid value: \"a b\": a valid HTTP header must consist of"},
    {container(R"("lifecycle":{"preStop":{}})"),
     PODIUM_C "lifecycle.preStop: Required value: must specify a handler type"},
    {container(R"("resources":{"limits":{"cpu":"-1"}})"),
     PODIUM_C "resources.limits[cpu]: Invalid value: \"-1\": must be greater than or equal to 0"},
    {container(R"("resources":{"limits":{"cpu":"1"},"requests":{"cpu":"2"}})"),
     PODIUM_C "resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1"},
    {container(R"("resources":{"limits":{"bananas":"1"}})"),
     PODIUM_C "resources.limits[bananas]: Invalid value: \"bananas\": must be a standard resource type or "
              "fully qualified\n"
              "spec.containers[0].resources.limits[bananas]: Invalid value: \"bananas\": must be a standard "
              "resource for containers"},
    {container(R"("resources":{"requests":{"example.com/gpu":"1"}})"),
     PODIUM_C "resources.limits: Required value: Limit must be set for non overcommitable resources"},
    {container(R"("resources":{"limits":{"example.com/gpu":"1500m"}})"),
     PODIUM_C "resources.limits[example.com/gpu]: Invalid value: 1500m: must be an integer"},
    {container(R"("securityContext":{"allowPrivilegeEscalation":false,"privileged":true})"),
     PODIUM_C "securityContext: Invalid value: {"},
    {R"({"spec":{"hostNetwork":true,"containers":[{"name":"c","image":"i","ports":[{"containerPort":80,"hostPort":81}]}]}})",
     PODIUM_C "ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true"},
    {R"({"spec":{"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{}}}}})",
     "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required "
     "value: must have "
     "at least one node selector term"},
};

const std::string good[] = {
    "{}",
    R"({"metadata":{"name":null,"generateName":"p-"}})",
    R"({"metadata":{"labels":{"app.kubernetes.io/name":"x","a":"","A.b_c-1":"V"}}})",
    R"({"metadata":{"annotations":{"Example.com/X":"any text\n"},"finalizers":["example.com/x","orphan"]}})",
    R"({"spec":{"restartPolicy":"Never","terminationGracePeriodSeconds":0,"activeDeadlineSeconds":1}})",
    R"({"spec":{"terminationGracePeriodSeconds":-1}})", // taken for 1, with a warning
    R"({"spec":{"nodeName":"192.168.0.125","nodeSelector":{"env_role":"dev"}}})",
    R"({"spec":{"hostNetwork":true,"hostPID":true,"hostIPC":true}})",
    R"({"spec":{"dnsPolicy":"None","dnsConfig":{"nameservers":["10.0.0.1"]}}})",
    R"({"spec":{"tolerations":[{"operator":"Exists"},{"key":"a","value":"b","effect":"NoExecute","tolerationSeconds":-1}]}})",
    R"({"spec":{"initContainers":[{"name":"s","image":"i","restartPolicy":"Always","startupProbe":{"tcpSocket":{"port":1}}}]}})",
    R"({"spec":{"volumes":[{"name":"v"}],"containers":[{"name":"c","image":"i","volumeMounts":[{"name":"v","mountPath":"/v","subPath":"a/b"}]}]}})",
    R"({"spec":{"imagePullSecrets":[{"name":"myregistrykey"}]}})",
    container(
        R"("ports":[{"containerPort":80,"name":"http"},{"containerPort":53,"protocol":"UDP"},{"containerPort":53}])"),
    container(
        R"("ports":[{"containerPort":80,"hostPort":80},{"containerPort":80,"hostPort":80,"protocol":"UDP"}])"),
    container(
        R"("env":[{"name":"A","value":""},{"name":"my.env-name","valueFrom":{"fieldRef":{"fieldPath":"status.podIP"}}}])"),
    container(R"("env":[{"name":"A","valueFrom":{"fieldRef":{"fieldPath":"metadata.labels['app']"}}}])"),
    container(
        R"("livenessProbe":{"httpGet":{"port":"http","path":"/z","httpHeaders":[{"name":"X-A","value":"1"}]},"initialDelaySeconds":0})"),
    container(R"("readinessProbe":{"tcpSocket":{"port":80},"successThreshold":3})"),
    container(R"("lifecycle":{"preStop":{"sleep":{"seconds":5}},"postStart":{"exec":{"command":["a"]}}})"),
    container(
        R"("resources":{"limits":{"cpu":"1","memory":"64Mi"},"requests":{"cpu":"0.5","memory":"65536Ki"}})"),
    container(
        R"("resources":{"limits":{"example.com/gpu":"2","hugepages-2Mi":"4Mi","memory":"1Gi","ephemeral-storage":"1Gi"}})"),
    container(R"("resources":{"requests":{"cpu":"0"}})"),
};

struct update_row {
  const char* change; ///< merged into the spec of the new version
  const char* causes;
};

const update_row updates[] = {
    {"{}", ""},
    {R"({"containers":[{"name":"c","image":"other:1","imagePullPolicy":"Always"}]})", ""},
    {R"({"activeDeadlineSeconds":5})", ""},
    {R"({"tolerations":[{"key":"x","operator":"Exists"},{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":5},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}]})",
     ""},
    {R"({"tolerations":[]})",
     "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"},
    {R"({"nodeSelector":{"a":"b"}})",
     "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`"},
    {R"({"restartPolicy":"Never"})", "spec: Forbidden: pod updates may not change fields other than"},
    {R"({"containers":[{"name":"c","image":"i"},{"name":"d","image":"i"}]})",
     "spec.containers: Forbidden: pod updates may not add or remove containers"},
    {R"({"terminationGracePeriodSeconds":1})",
     "spec: Forbidden: pod updates may not change fields other than"},
};

} // namespace

BOOST_AUTO_TEST_SUITE(validate_suite)

BOOST_AUTO_TEST_CASE(bad_pods) {
  for (const auto& r : bad)
    BOOST_TEST_CONTEXT(r.patch.substr(0, 200)) {
      auto causes = validate(pod_kind, pod_with(r.patch));
      auto text = text_of(causes);
      BOOST_TEST(text.starts_with(r.causes), text);
      // Limits are requests too once defaulted, so what is wrong with their names is said twice; nothing else
      // is.
      auto expected = std::ranges::count(std::string_view{r.causes}, '\n') + 1;
      BOOST_TEST(std::ranges::count(text, '\n') + 1 <= 2 * expected);
    }
}

BOOST_AUTO_TEST_CASE(good_pods) {
  for (const auto& patch : good)
    BOOST_TEST_CONTEXT(patch) {
      auto causes = validate(pod_kind, pod_with(patch));
      BOOST_TEST(causes.empty(), text_of(causes));
    }
}

BOOST_AUTO_TEST_CASE(updates_of_pods) {
  auto before = pod_with("{}");
  for (const auto& r : updates)
    BOOST_TEST_CONTEXT(r.change) {
      auto after = before;
      merge(after.as_object()["spec"], json::parse(r.change));
      if (std::string_view{r.change}.find("containers") != std::string_view::npos) default_pod(after);
      auto text = text_of(validate_update(pod_kind, before, after));
      if (std::string_view{r.causes}.empty())
        BOOST_TEST(text == "");
      else
        BOOST_TEST(text.starts_with(r.causes), text);
    }
  auto renamed = before;
  renamed.at("metadata").as_object()["name"] = "q";
  BOOST_TEST(text_of(validate_pod_update(before, renamed))
             == "metadata.name: Invalid value: \"q\": field is immutable");
  auto labelled = before;
  labelled.at("metadata").as_object()["labels"] = {{"a", "b"}};
  BOOST_TEST(validate_pod_update(before, labelled).empty());
}

BOOST_AUTO_TEST_CASE(other_kinds) {
  struct {
    group_version_kind gvk;
    const char* object;
    const char* causes;
  } rows[] = {
      {{"", "v1", "Namespace"},
       R"({"metadata":{"name":"a.b"}})",
       "metadata.name: Invalid value: \"a.b\": must not contain dots"},
      {{"", "v1", "Namespace"}, R"({"metadata":{"name":"a"}})", ""},
      {{"", "v1", "Namespace"},
       R"({"metadata":{"name":"a","namespace":"b"}})",
       "metadata.namespace: Forbidden: not allowed on this type"},
      {{"", "v1", "Node"}, R"({"metadata":{"name":"192.168.0.125"}})", ""},
      {{"", "v1", "Node"},
       R"({"metadata":{"name":"n"},"spec":{"taints":[{"key":"a","effect":"X"}]}})",
       R"(metadata.taints[0].effect: Unsupported value: "X": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute")"},
      {{"", "v1", "Node"},
       R"({"metadata":{"name":"n"},"spec":{"podCIDRs":["x"]}})",
       "spec.podCIDRs[0]: Invalid value: \"x\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or "
       "2001:db8::/64)"},
      {{"coordination.k8s.io", "v1", "Lease"},
       R"({"metadata":{"name":"n","namespace":"kube-node-lease"}})",
       ""},
      {{"", "v1", "Binding"},
       R"({"metadata":{"name":"a/b"}})",
       "metadata.name: Invalid value: \"a/b\": may not contain '/'"},
  };
  for (const auto& r : rows)
    BOOST_TEST_CONTEXT(r.object) {
      BOOST_TEST(text_of(validate(r.gvk, json::parse(r.object))) == r.causes);
    }
}

BOOST_AUTO_TEST_CASE(manifests_of_the_document) {
  for (auto text : {test::frontend, test::liveness_exec, test::pull_policy, test::pull_secret,
                    test::node_name, test::node_selector}) {
    auto loaded = load_manifests(text, "pod.yaml");
    BOOST_REQUIRE_MESSAGE(loaded, test::why(loaded));
    BOOST_TEST(loaded->size() == 1);
  }
}

BOOST_AUTO_TEST_CASE(files_are_judged_with_places) {
  auto loaded = load_manifests(
      "kind: Pod\napiVersion: v1\nmetadata: {name: A}\nspec:\n  restartPolicy: X\n  containers:\n"
      "  - name: c\n    resources:\n      limits: {cpu: -1}\n---\nkind: Pod\napiVersion: v1\nspec: 1\n",
      "f.yaml");
  BOOST_REQUIRE(!loaded);
  auto text = test::why(loaded);
  std::vector<std::string> starts{
      "f.yaml:3:18: metadata.name: Invalid value: \"A\"", "\nf.yaml:5:18: spec.restartPolicy: Unsupported",
      "\nf.yaml:7:5: spec.containers[0].image: Required value",
      "\nf.yaml:9:15: spec.containers[0].resources.limits[cpu]: Invalid value: \"-1\"",
      "\nf.yaml:13:7: json: cannot unmarshal number into Go struct field Pod.spec of type v1.PodSpec"};
  for (const auto& start : starts)
    BOOST_TEST(text.find(start) != std::string::npos, start << " is not in " << text);
}

BOOST_AUTO_TEST_CASE(lists_stand_for_their_items) {
  auto loaded = load_manifests(
      "kind: List\napiVersion: v1\nitems:\n- {kind: Namespace, apiVersion: v1, metadata: {name: a}}\n"
      "- {kind: Namespace, apiVersion: v1, metadata: {name: b}}\n",
      "l.yaml");
  BOOST_REQUIRE_MESSAGE(loaded, test::why(loaded));
  BOOST_TEST(loaded->size() == 2);
  auto wrong = load_manifests(
      "kind: List\napiVersion: v1\nitems:\n- {kind: Namespace, apiVersion: v1, metadata: {name: A}}\n",
      "l.yaml");
  BOOST_TEST(test::why(wrong).starts_with("l.yaml:4:54: metadata.name: "), test::why(wrong));
}

BOOST_AUTO_TEST_CASE(statuses) {
  field_causes one;
  one.required("spec.containers[0].name");
  BOOST_TEST(
      json::serialize(make_invalid_status({"p9", "", "Pod", ""}, one).body)
      == R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Pod \"p9\" is invalid: )"
         R"(spec.containers[0].name: Required value","reason":"Invalid","details":{"name":"p9","kind":"Pod","causes":)"
         R"([{"reason":"FieldValueRequired","message":"Required value","field":"spec.containers[0].name"}]},"code":422})");
  field_causes two = one;
  two.duplicate("a", json::value("b"));
  BOOST_TEST(invalid_message({"p", "", "Pod", ""}, two)
             == R"(Pod "p" is invalid: [spec.containers[0].name: Required value, a: Duplicate value: "b"])");
  BOOST_TEST(make_not_found_status({"x", "apps", "deployments", ""}).body.at("message")
             == R"(deployments.apps "x" not found)");
  BOOST_TEST(make_already_exists_status({"x", "", "pods", ""}).body.at("message")
             == R"(pods "x" already exists)");
  auto conflict = make_conflict_status({"x", "", "pods", ""});
  BOOST_TEST(conflict.code == 409);
  BOOST_TEST(
      conflict.body.at("message")
      == R"(Operation cannot be fulfilled on pods "x": the object has been modified; please apply your changes to )"
         "the latest version and try again");
  BOOST_TEST(
      json::serialize(make_success_status({"f1", "", "configmaps", "u"}).body)
      == R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","details":{"name":"f1","kind":"configmaps","uid":"u"}})");
  auto internal = make_status(make_error(errc::io, "disk"));
  BOOST_TEST(internal.code == 500);
  BOOST_TEST(internal.body.at("message") == "Internal error occurred: disk");
  BOOST_TEST(make_status(make_error(errc::no_space, "full")).body.at("reason") == "InsufficientStorage");
  BOOST_TEST(http_code(make_error(errc::expired, "x")) == 410);
  BOOST_TEST(status_reason(make_error(errc::unauthorized, "x")) == "Unauthorized");
}

BOOST_AUTO_TEST_SUITE_END()
