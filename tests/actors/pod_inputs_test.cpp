// What specs say by reference: environment, volumes, mounts and what they are made from, as tables.
#include "actors/pod_inputs.hpp"
#include "core/error.hpp"

#include <boost/test/unit_test.hpp>

using namespace podium;
namespace json = boost::json;

namespace {

object_ref make(const object_key& key, const std::string& text) {
  auto document = json::parse(text).as_object();
  auto& meta = document["metadata"];
  if (!meta.is_object()) meta = json::object{};
  meta.get_object()["name"] = key.name;
  meta.get_object()["namespace"] = key.ns;
  if (!meta.get_object().contains("uid")) meta.get_object()["uid"] = "uid-" + key.name;
  return {std::make_shared<const object>(key, 1, json::value(document))};
}

/// A pod of the given spec and what there is of what it refers to.
struct world {
  explicit world(const std::string& spec)
      : pod(make(
          {"pods", "ns", "p"},
          R"({"metadata":{"labels":{"app":"web","b":"say \"hi\""},"annotations":{"note":"line\nbreak"}},"spec":)"
              + spec + "}")) {
    facts.ref = pod.ptr.get();
    facts.inputs = &inputs;
    facts.pod_ip = "10.0.0.7";
    facts.host_ip = "192.168.0.1";
    facts.allocatable = {{"cpu", "4"}, {"memory", "1Gi"}};
  }
  void add(const char* resource, const std::string& name, const std::string& text,
           const std::string& ns = "ns") {
    object_key key{resource, ns, name};
    inputs.objects[key] = make(key, text);
  }
  const container_spec& box() const { return pod->as_pod().spec.containers.at(0); }

  object_ref pod;
  pod_inputs inputs;
  input_facts facts;
};

/// NAME=value lines, or the error.
std::string environment_text(const world& w) {
  auto made = expand_environment(w.facts, w.box());
  if (!made) return "error: " + message_of(made.error());
  std::string out;
  for (auto& e : made->variables)
    out += e.name + "=" + e.value + "\n";
  for (auto& warning : made->warnings)
    out += "warning: " + warning + "\n";
  return out;
}

std::string plan_text(const volume_plan& plan) {
  std::string out;
  for (auto& w : plan.wishes) {
    out += w.name + " " + to_string(w.kind);
    if (w.size_limit_bytes) out += " size=" + std::to_string(w.size_limit_bytes);
    if (!w.path.empty()) out += " " + w.path + " " + w.type;
    if (w.in_memory) out += " memory";
    if (w.group_owned) out += " owned";
    for (auto& f : w.files) {
      char mode[8];
      std::snprintf(mode, sizeof mode, "%o", static_cast<unsigned>(f.mode));
      out +=
          " [" + f.path + "=" + *f.data + " " + mode + (f.user ? " of " + std::to_string(f.user) : "") + "]";
    }
    out += "\n";
  }
  for (auto& f : plan.failures)
    out += f.name + ": " + f.error + "\n";
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(pod_inputs_rules)

BOOST_AUTO_TEST_CASE(references_between_names) {
  struct row {
    const char *text, *expected;
  };
  for (auto& r :
       {row{"plain", "plain"}, row{"$(A)", "a"}, row{"x$(A)y$(B)", "xay"}, row{"$(NONE)", "$(NONE)"},
        row{"$$(A)", "$(A)"}, row{"$$$(A)", "$a"}, row{"$(A", "$(A"}, row{"$", "$"}, row{"a$", "a$"},
        row{"$A", "$A"}, row{"$()", "$()"}, row{"$($(A))", "$($(A))"}, row{"", ""}}) {
    auto out = expand_references(r.text, [](const std::string& name) -> std::optional<std::string> {
      if (name == "A") return "a";
      if (name == "B") return "";
      return std::nullopt;
    });
    BOOST_TEST(out == r.expected, r.text);
  }
}

BOOST_AUTO_TEST_CASE(environments) {
  struct row {
    const char *what, *container, *expected;
  };
  for (
      auto& r : {
          row{"plain and referring",
              R"j("env":[{"name":"A","value":"1"},{"name":"B","value":"$(A)$(C)"},{"name":"A","value":"2"}])j",
              "A=2\nB=1$(C)\n"},
          row{"a config map's key",
              R"("env":[{"name":"A","valueFrom":{"configMapKeyRef":{"name":"c","key":"k"}}}])", "A=v\n"},
          row{"a secret's key",
              R"("env":[{"name":"A","valueFrom":{"secretKeyRef":{"name":"s","key":"pw"}}}])", "A=pass\n"},
          row{"no config map",
              R"("env":[{"name":"A","valueFrom":{"configMapKeyRef":{"name":"x","key":"k"}}}])",
              "error: configmap \"x\" not found"},
          row{"no secret", R"("env":[{"name":"A","valueFrom":{"secretKeyRef":{"name":"x","key":"k"}}}])",
              "error: secret \"x\" not found"},
          row{"no key", R"("env":[{"name":"A","valueFrom":{"configMapKeyRef":{"name":"c","key":"z"}}}])",
              "error: couldn't find key z in ConfigMap ns/c"},
          row{"no key of a secret",
              R"("env":[{"name":"A","valueFrom":{"secretKeyRef":{"name":"s","key":"z"}}}])",
              "error: couldn't find key z in Secret ns/s"},
          row{"optional ones",
              R"("env":[{"name":"A","valueFrom":{"configMapKeyRef":{"name":"x","key":"k","optional":true}}},
               {"name":"B","valueFrom":{"secretKeyRef":{"name":"s","key":"z","optional":true}}},{"name":"C","value":"c"}])",
              "C=c\n"},
          row{"all keys, overridden",
              R"j("envFrom":[{"configMapRef":{"name":"c"}},{"prefix":"P_","secretRef":{"name":"s"}}],
               "env":[{"name":"k","value":"own $(P_pw)"}])j",
              "k=own pass\nother=w\nP_pw=pass\n"},
          row{"all keys of nothing", R"("envFrom":[{"configMapRef":{"name":"x"}}])",
              "error: configmap \"x\" not found"},
          row{"all keys of an optional nothing", R"("envFrom":[{"secretRef":{"name":"x","optional":true}}])",
              ""},
          row{"keys that are no names", R"("envFrom":[{"configMapRef":{"name":"odd"}}])",
              "fine=1\nwarning: Keys [a=b] from the EnvFrom configMap ns/odd were skipped since they are "
              "considered invalid "
              "environment variable names.\n"},
          row{"fields", R"("env":[{"name":"N","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}},
               {"name":"L","valueFrom":{"fieldRef":{"fieldPath":"metadata.labels['app']"}}},
               {"name":"M","valueFrom":{"fieldRef":{"fieldPath":"metadata.labels['none']"}}},
               {"name":"U","valueFrom":{"fieldRef":{"fieldPath":"metadata.uid"}}},
               {"name":"I","valueFrom":{"fieldRef":{"fieldPath":"status.podIP"}}},
               {"name":"H","valueFrom":{"fieldRef":{"fieldPath":"status.hostIP"}}},
               {"name":"D","valueFrom":{"fieldRef":{"fieldPath":"spec.nodeName"}}}])",
              "N=p\nL=web\nM=\nU=uid-p\nI=10.0.0.7\nH=192.168.0.1\nD=edge\n"},
          row{"resources", R"("resources":{"limits":{"cpu":"1500m"},"requests":{"memory":"10Mi"}},
               "env":[{"name":"C","valueFrom":{"resourceFieldRef":{"resource":"limits.cpu"}}},
               {"name":"m","valueFrom":{"resourceFieldRef":{"resource":"limits.cpu","divisor":"1m"}}},
               {"name":"N","valueFrom":{"resourceFieldRef":{"resource":"limits.memory","divisor":"1Mi"}}},
               {"name":"R","valueFrom":{"resourceFieldRef":{"resource":"requests.memory","divisor":"3Mi"}}},
               {"name":"Z","valueFrom":{"resourceFieldRef":{"resource":"requests.cpu"}}}])",
              "C=2\nm=1500\nN=1024\nR=4\nZ=0\n"},
          row{"a container that is not there", R"("env":[{"name":"C","valueFrom":{"resourceFieldRef":
               {"containerName":"z","resource":"limits.cpu"}}}])",
              "error: container z not found"},
      }) {
    world w{R"({"nodeName":"edge","containers":[{"name":"c",)" + std::string{r.container} + "}]}"};
    w.add("configmaps", "c", R"({"data":{"k":"v","other":"w"}})");
    w.add("configmaps", "odd", R"({"data":{"a=b":"v","fine":"1"}})");
    w.add("secrets", "s", R"({"data":{"pw":"cGFzcw=="}})");
    BOOST_TEST(environment_text(w) == r.expected, r.what);
  }
}

BOOST_AUTO_TEST_CASE(commands_are_expanded_by_the_final_environment) {
  world w{
      R"j({"containers":[{"name":"c","command":["$(A)","$(B)"],"args":["$$(A)"],"env":[{"name":"A","value":"x"}]}]})j"};
  auto made = resolve_container(w.facts, w.box());
  BOOST_REQUIRE(made);
  BOOST_TEST(made->command == (std::vector<std::string>{"x", "$(B)"}), boost::test_tools::per_element());
  BOOST_TEST(made->args == (std::vector<std::string>{"$(A)"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_a_spec_refers_to) {
  world w{R"({"serviceAccountName":"robot","imagePullSecrets":[{"name":"login"}],
    "initContainers":[{"name":"i","envFrom":[{"secretRef":{"name":"s1"}}]}],
    "containers":[{"name":"c","env":[{"name":"A","valueFrom":{"configMapKeyRef":{"name":"c1","key":"k"}}}]}],
    "volumes":[{"name":"a","configMap":{"name":"c2"}},{"name":"b","secret":{"secretName":"s2"}},{"name":"d","emptyDir":{}},
      {"name":"e","persistentVolumeClaim":{"claimName":"claim"}},
      {"name":"f","projected":{"sources":[{"secret":{"name":"s3"}},{"configMap":{"name":"c3"}}]}}]})"};
  auto text = [&](const pod_inputs* known) {
    std::string out;
    for (auto& key : references_of(*w.pod, known))
      out += key.resource + "/" + (key.ns.empty() ? "" : key.ns + "/") + key.name + " ";
    return out;
  };
  std::string first = "configmaps/ns/c1 configmaps/ns/c2 configmaps/ns/c3 persistentvolumeclaims/ns/claim ";
  BOOST_TEST(text(nullptr)
             == first
                    + "secrets/ns/login secrets/ns/s1 secrets/ns/s2 secrets/ns/s3 serviceaccounts/ns/robot ");
  w.add("persistentvolumeclaims", "claim", R"({"spec":{"volumeName":"pv1"}})");
  w.add("serviceaccounts", "robot", R"({"imagePullSecrets":[{"name":"more"}]})");
  BOOST_TEST(text(&w.inputs)
             == first
                    + "persistentvolumes/pv1 secrets/ns/login secrets/ns/more secrets/ns/s1 secrets/ns/s2 "
                      "secrets/ns/s3 "
                      "serviceaccounts/ns/robot ");
}

BOOST_AUTO_TEST_CASE(plans_of_volumes) {
  struct row {
    const char *what, *volume, *expected;
  };
  for (
      auto& r : {
          row{"a directory", R"("emptyDir":{"sizeLimit":"1Mi"})", "v directory size=1048576\n"},
          row{"memory, of the node's size", R"("emptyDir":{"medium":"Memory"})",
              "v memory size=1073741824\n"},
          row{"memory with a limit", R"("emptyDir":{"medium":"Memory","sizeLimit":"1Ki"})",
              "v memory size=1024\n"},
          row{"a host path", R"("hostPath":{"path":"/x","type":"File"})", "v host_path /x File\n"},
          row{"a config map", R"("configMap":{"name":"c"})", "v files [bin=\x01\x02 644] [k=value 644]\n"},
          row{"its items",
              R"("configMap":{"name":"c","defaultMode":256,"items":[{"key":"k","path":"a/b","mode":420},{"key":"bin","path":"z"}]})",
              "v files [a/b=value 644] [z=\x01\x02 400]\n"},
          row{"an absent item", R"("configMap":{"name":"c","items":[{"key":"q","path":"z"}]})",
              "v: configmap references non-existent config key: q\n"},
          row{"no config map", R"("configMap":{"name":"x"})", "v: configmap \"x\" not found\n"},
          row{"an optional one", R"("configMap":{"name":"x","optional":true})", "v files\n"},
          row{"a secret", R"("secret":{"secretName":"s"})", "v files memory [pw=pass 644]\n"},
          row{"no secret", R"("secret":{"secretName":"x"})", "v: secret \"x\" not found\n"},
          row{"an absent item of a secret", R"("secret":{"secretName":"s","items":[{"key":"q","path":"z"}]})",
              "v: references non-existent secret key: q\n"},
          row{"downward", R"("downwardAPI":{"items":[{"path":"l","fieldRef":{"fieldPath":"metadata.labels"}},
               {"path":"a","mode":256,"fieldRef":{"fieldPath":"metadata.annotations"}},
               {"path":"m","resourceFieldRef":{"containerName":"c","resource":"limits.memory","divisor":"1Mi"}}]})",
              "v files [l=app=\"web\"\nb=\"say \\\"hi\\\"\" 644] [a=note=\"line\\nbreak\" 400] [m=64 644]\n"},
          row{"projected",
              R"("projected":{"sources":[{"configMap":{"name":"c","items":[{"key":"k","path":"k"}]}},
               {"secret":{"name":"s"}},{"serviceAccountToken":{"path":"token"}}]})",
              "v files memory [k=value 644] [pw=pass 644] [token=secret-token 600 of 1000]\n"},
          row{"projected, with what is missing",
              R"("projected":{"sources":[{"configMap":{"name":"x"}},{"secret":{"name":"y"}}]})",
              "v: [configmap \"x\" not found, secret \"y\" not found]\n"},
          row{"a claim", R"("persistentVolumeClaim":{"claimName":"bound"})",
              "v host_path /disk Directory owned\n"},
          row{"a claim on a host path", R"("persistentVolumeClaim":{"claimName":"host"})",
              "v host_path /host \n"},
          row{"a pending claim", R"("persistentVolumeClaim":{"claimName":"pending"})",
              "v: error processing PVC ns/pending: PVC is not bound\n"},
          row{"no claim", R"("persistentVolumeClaim":{"claimName":"x"})",
              "v: error processing PVC ns/x: failed to fetch PVC from API server: persistentvolumeclaims "
              "\"x\" not found\n"},
          row{"a claim whose volume is another's", R"("persistentVolumeClaim":{"claimName":"stolen"})",
              "v: error processing PVC ns/stolen: PV pv1 is bound to another claim\n"},
      }) {
    world w{R"({"serviceAccountName":"robot","securityContext":{"runAsUser":1000},
      "containers":[{"name":"c","resources":{"limits":{"memory":"64Mi"}}},{"name":"d"}],"volumes":[{"name":"v",)"
            + std::string{r.volume} + "}]}"};
    w.add("configmaps", "c", R"({"data":{"k":"value"},"binaryData":{"bin":"AQI="}})");
    w.add("secrets", "s", R"({"data":{"pw":"cGFzcw=="}})");
    for (auto* name : {"bound", "stolen"})
      w.add("persistentvolumeclaims", name, R"({"spec":{"volumeName":"pv1"},"status":{"phase":"Bound"}})");
    w.add("persistentvolumeclaims", "host", R"({"spec":{"volumeName":"pv2"},"status":{"phase":"Bound"}})");
    w.add("persistentvolumeclaims", "pending", R"({"spec":{},"status":{"phase":"Pending"}})");
    w.add("persistentvolumes", "pv1", R"({"spec":{"local":{"path":"/disk"},"claimRef":{"uid":"uid-bound"}}})",
          "");
    w.add("persistentvolumes", "pv2",
          R"({"spec":{"hostPath":{"path":"/host"},"claimRef":{"uid":"uid-host"}}})", "");
    BOOST_TEST(plan_text(volumes_of(w.facts, {{{"v", "token"}, "secret-token"}})) == r.expected);
  }
}

BOOST_AUTO_TEST_CASE(the_memory_of_a_pod_bounds_its_volumes) {
  world w{
      R"({"containers":[{"name":"c","resources":{"limits":{"memory":"64Mi"}}},{"name":"d","resources":{"limits":{"memory":"1Mi"}}}],
    "volumes":[{"name":"v","emptyDir":{"medium":"Memory"}},{"name":"w","emptyDir":{"medium":"Memory","sizeLimit":"2Gi"}}]})"};
  BOOST_TEST(plan_text(volumes_of(w.facts, {})) == "v memory size=68157440\nw memory size=68157440\n");
}

BOOST_AUTO_TEST_CASE(tokens_wait_for_their_account) {
  world w{
      R"({"serviceAccountName":"robot","containers":[{"name":"c"}],"volumes":[{"name":"v","projected":{"sources":[
    {"serviceAccountToken":{"path":"token","audience":"me","expirationSeconds":600}}]}}]})"};
  BOOST_TEST(tokens_of(w.facts).empty());
  BOOST_TEST(plan_text(volumes_of(w.facts, {}))
             == "v: failed to fetch token: serviceaccounts \"robot\" not found\n");
  w.add("serviceaccounts", "robot", "{}");
  auto wishes = tokens_of(w.facts);
  BOOST_REQUIRE(wishes.size() == 1u);
  auto& r = wishes[0].request;
  BOOST_TEST(r.service_account_uid == "uid-robot");
  BOOST_TEST(r.audiences == std::vector<std::string>{"me"}, boost::test_tools::per_element());
  BOOST_TEST(r.expiration_seconds == 600);
  BOOST_TEST(r.bound_uid == "uid-p");
}

BOOST_AUTO_TEST_CASE(mounts_of_containers) {
  struct row {
    const char *what, *mounts, *expected;
  };
  for (
      auto& r : {
          row{"plain", R"({"name":"e","mountPath":"/data/"})", "/e:/data"},
          row{"relative, read only", R"({"name":"e","mountPath":"data","readOnly":true})", "/e:/data ro"},
          row{"a config map is read only", R"({"name":"c","mountPath":"/c"})", "/c:/c ro"},
          row{"a claim is as it says", R"({"name":"p","mountPath":"/p"})", "/p:/p ro"},
          row{"sorted by depth",
              R"({"name":"e","mountPath":"/a/b"},{"name":"e","mountPath":"/a"},{"name":"e","mountPath":"/z"})",
              "/e:/a|/e:/z|/e:/a/b"},
          row{"sub paths",
              R"j({"name":"e","mountPath":"/d","subPath":"x/y"},{"name":"e","mountPath":"/f","subPathExpr":"$(A)/l"})j",
              "/e:/d sub=x/y|/e:/f sub=alpha/l"},
          row{"a name without a value", R"j({"name":"e","mountPath":"/f","subPathExpr":"$(A)/$(B)/$(C)"})j",
              "missing value for B, C"},
          row{"a value that is absolute", R"j({"name":"e","mountPath":"/f","subPathExpr":"$(R)"})j",
              "error SubPath `/root` must not be an absolute path"},
          row{"a value that steps back", R"j({"name":"e","mountPath":"/f","subPathExpr":"x/$(U)"})j",
              "unable to provision SubPath `x/../..`: must not contain '..'"},
          row{"no such volume", R"({"name":"z","mountPath":"/z"})",
              "cannot find volume \"z\" to mount into container \"c\""},
          row{"not made yet", R"({"name":"late","mountPath":"/z"})",
              "cannot find volume \"late\" to mount into container \"c\""},
          row{"propagation", R"({"name":"e","mountPath":"/f","mountPropagation":"HostToContainer"})",
              "/e:/f HostToContainer"},
          row{"recursive", R"({"name":"e","mountPath":"/f","readOnly":true,"recursiveReadOnly":"Enabled"})",
              "/e:/f ro rro"},
      }) {
    world w{
        R"({"containers":[{"name":"c","env":[{"name":"A","value":"alpha"},{"name":"B","value":""},{"name":"R","value":"/root"},
      {"name":"U","value":"../.."}],"volumeMounts":[)"
        + std::string{r.mounts}
        + R"(]}],"volumes":[{"name":"e","emptyDir":{}},{"name":"c","configMap":{"name":"c"}},{"name":"late","emptyDir":{}},
      {"name":"p","persistentVolumeClaim":{"claimName":"p","readOnly":true}}]})"};
    auto made = mounts_of(w.facts, w.box(), {{"e", "/e"}, {"c", "/c"}, {"p", "/p"}});
    std::string text = made ? "" : message_of(made.error());
    if (made)
      for (auto& m : *made)
        text += (text.empty() ? "" : "|") + m.source + ":" + m.destination + (m.read_only ? " ro" : "")
                + (m.recursive_read_only ? " rro" : "") + (m.sub_path.empty() ? "" : " sub=" + m.sub_path)
                + (m.propagation.empty() ? "" : " " + m.propagation);
    BOOST_TEST(text == r.expected, r.what);
  }
}

BOOST_AUTO_TEST_CASE(a_volume_that_grew_too_large) {
  world w{R"({"volumes":[{"name":"a","emptyDir":{}},{"name":"b","emptyDir":{"sizeLimit":"1Mi"}}]})"};
  auto& spec = w.pod->as_pod().spec;
  BOOST_TEST(size_eviction_of(spec, {{{"a", 1LL << 40}, {"b", 1 << 20}}}) == "");
  BOOST_TEST(size_eviction_of(spec, {{{"b", (1 << 20) + 1}}})
             == "Usage of EmptyDir volume \"b\" exceeds the limit \"1Mi\". ");
}

BOOST_AUTO_TEST_SUITE_END()
