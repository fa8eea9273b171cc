#include "config/decode.hpp"
#include "config/json.hpp"
#include "config/yaml.hpp"
#include "core/error.hpp"
#include "manifests.hpp"

#include <boost/test/unit_test.hpp>

using namespace podium;
using namespace podium::config;

namespace {

const group_version_kind pod_kind{"", "v1", "Pod"};

document pod_with(std::string_view spec) {
  auto doc = parse_json(R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"p"},"spec":)"
                        + std::string{spec} + "}");
  BOOST_REQUIRE_MESSAGE(doc, "cannot parse " << spec);
  return std::move(*doc);
}

struct row {
  const char* spec;
  const char* message; ///< after `Pod in version "v1" cannot be handled as a Pod: `
};

const row bad[] = {
    {R"({"bogus":1})", R"(strict decoding error: unknown field "spec.bogus")"},
    {R"({"containers":[{"bogus":1}]})", R"(strict decoding error: unknown field "spec.containers[0].bogus")"},
    {R"({"bogus":1,"containers":[{},{"x":{}}]})",
     R"(strict decoding error: unknown field "spec.bogus", unknown field "spec.containers[1].x")"},
    {R"({"Containers":[]})", R"(strict decoding error: unknown field "spec.Containers")"},
    {R"({"hostIPC":true,"hostIPC":true})", R"(strict decoding error: duplicate field "spec.hostIPC")"},
    {R"({"nodeSelector":{"a":"1","a":"2"}})",
     R"(strict decoding error: duplicate field "spec.nodeSelector.a")"},
    {R"({"containers":[{"livenessProbe":{"handler":{}}}]})",
     R"(strict decoding error: unknown field "spec.containers[0].livenessProbe.handler")"},
    {R"({"containers":[{"ports":[{"containerPort":"80"}]}]})",
     "json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort "
     "of type int32"},
    {R"({"containers":[{"ports":[{"containerPort":80.5}]}]})",
     "json: cannot unmarshal number 80.5 into Go struct field "
     "ContainerPort.spec.containers.ports.containerPort of type "
     "int32"},
    {R"({"containers":[{"ports":[{"containerPort":99999999999}]}]})",
     "json: cannot unmarshal number 99999999999 into Go struct field "
     "ContainerPort.spec.containers.ports.containerPort of "
     "type int32"},
    {R"({"containers":[{"image":true}]})",
     "json: cannot unmarshal bool into Go struct field Container.spec.containers.image of type string"},
    {R"({"containers":[{"command":"ls"}]})",
     "json: cannot unmarshal string into Go struct field Container.spec.containers.command of type []string"},
    {R"({"containers":[{"command":[1]}]})",
     "json: cannot unmarshal number into Go struct field Container.spec.containers.command of type string"},
    {R"({"containers":{}})",
     "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container"},
    {R"({"containers":["x"]})",
     "json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type v1.Container"},
    {R"({"containers":[{"env":[{"name":"A","value":1}]}]})",
     "json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of type string"},
    {R"({"hostNetwork":"yes"})",
     "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool"},
    {R"({"restartPolicy":1})", "json: cannot unmarshal number into Go struct field "
                               "PodSpec.spec.restartPolicy of type v1.RestartPolicy"},
    {R"({"nodeSelector":{"a":true}})",
     "json: cannot unmarshal bool into Go struct field PodSpec.spec.nodeSelector of type string"},
    {R"({"nodeSelector":[]})",
     "json: cannot unmarshal array into Go struct field PodSpec.spec.nodeSelector of type map[string]string"},
    {R"({"terminationGracePeriodSeconds":"30"})", "json: cannot unmarshal string into Go struct field "
                                                  "PodSpec.spec.terminationGracePeriodSeconds of type int64"},
    {R"([])", "json: cannot unmarshal array into Go struct field Pod.spec of type v1.PodSpec"},
    {R"({"containers":[{"resources":{"limits":{"memory":"64MB"}}}]})",
     "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"},
    {R"({"containers":[{"resources":{"limits":"x"}}]})",
     "json: cannot unmarshal string into Go struct field "
     "ResourceRequirements.spec.containers.resources.limits of type v1.ResourceList"},
    {R"({"containers":[{"livenessProbe":{"httpGet":{"port":true}}}]})",
     "json: cannot unmarshal bool into Go value of type int32"},
    {R"({"containers":[{"livenessProbe":{"exec":"x"}}]})",
     "json: cannot unmarshal string into Go struct field Probe.spec.containers.livenessProbe.exec of type "
     "v1.ExecAction"},
};

struct canonical_row {
  const char* spec;
  const char* object;
};

const canonical_row good[] = {
    {R"({"containers":null})", "{}"},
    {R"({"containers":[null]})", R"({"containers":[{}]})"},
    {R"({"nodeSelector":{"a":null}})", R"({"nodeSelector":{"a":""}})"},
    {R"({"containers":[{"resources":{"limits":{"cpu":"1000m","memory":"1024Mi"}}}]})",
     R"({"containers":[{"resources":{"limits":{"cpu":"1","memory":"1Gi"}}}]})"},
    {R"({"containers":[{"resources":{"limits":{"cpu":0.5,"memory":64}}}]})",
     R"({"containers":[{"resources":{"limits":{"cpu":"500m","memory":"64"}}}]})"},
    {R"({"containers":[{"livenessProbe":{"httpGet":{"port":"web"},"periodSeconds":5}}]})",
     R"({"containers":[{"livenessProbe":{"httpGet":{"port":"web"},"periodSeconds":5}}]})"},
    {R"({"volumes":[{"name":"v","emptyDir":{"sizeLimit":"2048Ki"}}]})",
     R"({"volumes":[{"name":"v","emptyDir":{"sizeLimit":"2Mi"}}]})"},
    {R"({"hostNetwork":false,"enableServiceLinks":false})",
     R"({"hostNetwork":false,"enableServiceLinks":false})"},
    {R"({"ephemeralContainers":[{"name":"d","image":"b","targetContainerName":"c"}]})",
     R"({"ephemeralContainers":[{"name":"d","image":"b","targetContainerName":"c"}]})"},
    {R"({"containers":[{"env":[{"name":"A","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}}]}]})",
     R"({"containers":[{"env":[{"name":"A","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}}]}]})"},
};

} // namespace

BOOST_AUTO_TEST_SUITE(decode_suite)

BOOST_AUTO_TEST_CASE(mistakes_have_the_words_of_kubernetes) {
  for (const auto& r : bad)
    BOOST_TEST_CONTEXT(r.spec) {
      auto out = decode(pod_with(r.spec), pod_kind);
      BOOST_TEST(!out.ok());
      BOOST_TEST(api_message(out)
                 == std::string{R"(Pod in version "v1" cannot be handled as a Pod: )"} + r.message);
    }
}

BOOST_AUTO_TEST_CASE(values_become_canonical) {
  for (const auto& r : good)
    BOOST_TEST_CONTEXT(r.spec) {
      auto out = decode(pod_with(r.spec), pod_kind);
      BOOST_TEST(out.ok(), api_message(out));
      BOOST_TEST(json::serialize(out.object.at("spec")) == r.object);
    }
}

BOOST_AUTO_TEST_CASE(three_ways_with_unknown_fields) {
  auto doc = pod_with(R"({"bogus":1,"hostIPC":true})");
  auto warned = decode(doc, pod_kind, field_validation::warn);
  BOOST_TEST(warned.ok());
  BOOST_REQUIRE(warned.warnings.size() == 1);
  BOOST_TEST(warned.warnings[0].text == R"(unknown field "spec.bogus")");
  BOOST_TEST(json::serialize(warned.object.at("spec")) == R"({"hostIPC":true})");
  auto ignored = decode(doc, pod_kind, field_validation::ignore);
  BOOST_TEST(ignored.ok());
  BOOST_TEST(ignored.warnings.empty());
  BOOST_TEST((*parse_field_validation("Strict") == field_validation::strict));
  BOOST_TEST((*parse_field_validation("") == field_validation::warn));
  BOOST_TEST(!parse_field_validation("strict"));
}

BOOST_AUTO_TEST_CASE(kinds_are_filled_in_and_compared) {
  auto bare = parse_json(R"({"metadata":{"name":"p","creationTimestamp":null},"status":{}})");
  auto out = decode(*bare, pod_kind);
  BOOST_TEST(out.ok());
  BOOST_TEST(json::serialize(out.object)
             == R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"p"},"status":{}})");
  auto other = parse_json(R"({"kind":"Node","apiVersion":"v1"})");
  BOOST_TEST(!decode(*other, pod_kind).ok());
  auto apps = parse_json(R"({"kind":"Pod","apiVersion":"apps/v1"})");
  BOOST_TEST(api_message(decode(*apps, pod_kind))
                 .find("no kind \"Pod\" is registered for version \"apps/v1\" in scheme ")
             != std::string::npos);
  BOOST_TEST(api_message(decode(*other, pod_kind))
             == "Node in version \"v1\" cannot be handled as a Pod: converting (v1.Node) to (core.Pod): "
                "unknown conversion");
  auto options = parse_json(R"({"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Background"})");
  BOOST_TEST(decode(*options, {"policy", "v1", "DeleteOptions"}).ok());
  auto list =
      parse_json(R"({"kind":"PodList","apiVersion":"v1","items":[{"kind":"Pod","metadata":{"name":"a"}}]})");
  BOOST_TEST(decode(*list, {"", "v1", "PodList"}).ok());
}

BOOST_AUTO_TEST_CASE(timestamps) {
  auto doc = parse_json(R"({"metadata":{"name":"p","creationTimestamp":"2026-01-02T05:04:05.5+02:00"}})");
  auto out = decode(*doc, pod_kind);
  BOOST_TEST(out.ok());
  BOOST_TEST(out.object.at("metadata").at("creationTimestamp") == "2026-01-02T03:04:05Z");
  auto bad_time = parse_json(R"({"metadata":{"creationTimestamp":"yesterday"}})");
  BOOST_TEST(
      api_message(decode(*bad_time, pod_kind))
      == R"(Pod in version "v1" cannot be handled as a Pod: parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": )"
         R"(cannot parse "yesterday" as "2006")");
  auto lease = parse_json(R"({"spec":{"renewTime":"2026-01-02T03:04:05.000006Z","holderIdentity":"n"}})");
  auto decoded_lease = decode(*lease, {"coordination.k8s.io", "v1", "Lease"});
  BOOST_TEST(decoded_lease.ok());
  BOOST_TEST(decoded_lease.object.at("spec").at("renewTime") == "2026-01-02T03:04:05.000006Z");
}

BOOST_AUTO_TEST_CASE(files_are_told_where) {
  auto docs = parse_yaml(
      "kind: Pod\napiVersion: v1\nmetadata:\n  name: p\nspec:\n  containers:\n  - name: a\n    image: y\n"
      "    imagepolicy: Always\n    ports:\n    - containerPort: http\n",
      "bad.yaml");
  BOOST_REQUIRE(docs);
  auto out = decode(docs->front());
  BOOST_REQUIRE(out);
  auto err = file_error(docs->front(), *out);
  BOOST_TEST(message_of(err)
             == "bad.yaml:8:12: json: cannot unmarshal bool into Go struct field "
                "Container.spec.containers.image of type "
                "string\n"
                "bad.yaml:9:5: unknown field \"spec.containers[0].imagepolicy\"\n"
                "bad.yaml:11:22: json: cannot unmarshal string into Go struct field "
                "ContainerPort.spec.containers.ports.containerPort of type int32");
}

BOOST_AUTO_TEST_CASE(kinds_of_files) {
  struct {
    const char* text;
    const char* message;
  } rows[] = {
      {"a: 1", "Object 'Kind' is missing"},
      {"kind: Pod", "Object 'apiVersion' is missing"},
      {"kind: Pot\napiVersion: v1", R"(no kind "Pot" is registered for version "v1" in scheme)"},
      {"kind: Pod\napiVersion: v2", R"(no kind "Pod" is registered for version "v2" in scheme)"},
      {"[]", "this is not an object"},
      {"text", "this is not an object"},
  };
  for (const auto& r : rows)
    BOOST_TEST_CONTEXT(r.text) {
      auto docs = parse_yaml(r.text, "f.yaml");
      BOOST_REQUIRE(docs);
      auto out = decode(docs->front());
      BOOST_REQUIRE(!out);
      BOOST_TEST(message_of(out.error()).find(r.message) != std::string::npos, message_of(out.error()));
      BOOST_TEST(message_of(out.error()).starts_with("f.yaml:"));
    }
}

BOOST_AUTO_TEST_CASE(decoding_is_idempotent) {
  for (auto text : {test::frontend, test::liveness_exec, test::pull_policy, test::pull_secret,
                    test::node_name, test::node_selector}) {
    auto docs = parse_yaml(text);
    BOOST_REQUIRE(docs);
    auto once = decode(docs->front());
    BOOST_REQUIRE(once);
    BOOST_TEST(once->ok(), api_message(*once));
    document again;
    again.root = once->object;
    auto twice = decode(again);
    BOOST_REQUIRE(twice);
    BOOST_TEST((twice->object == once->object));
  }
}

BOOST_AUTO_TEST_SUITE_END()
