#include "tests/api/kubectl.hpp"

#include <regex>

using namespace podium;
using namespace podium::test;

namespace {

bool matches(const std::string& text, const std::string& pattern) {
  return std::regex_search(text, std::regex{pattern});
}

const std::string manifest = R"(apiVersion: v1
kind: Pod
metadata:
  name: web
  labels: {app: web}
spec:
  containers:
  - name: c
    image: busybox
    livenessProbe:
      exec: {command: [cat, /tmp/healthy]}
      periodSeconds: 5
)";

boost::test_tools::assertion_result kubectl_here(boost::unit_test::test_unit_id) {
  return has_kubectl();
}

} // namespace

BOOST_AUTO_TEST_SUITE(kubectl_suite, *boost::unit_test::precondition(kubectl_here))

BOOST_FIXTURE_TEST_CASE(create_get_change_delete, kubectl_world) {
  write("pod.yaml", manifest);
  auto file = (home / "pod.yaml").string();
  BOOST_TEST(ok("create -f " + file) == "pod/web created\n");
  auto again = kubectl("create -f " + file);
  BOOST_TEST(again.code == 1);
  BOOST_TEST(again.text
             == "Error from server (AlreadyExists): error when creating \"" + file
                    + "\": pods \"web\" already exists\n");
  auto table = ok("get pods");
  BOOST_TEST(matches(table, "NAME +READY +STATUS +RESTARTS +AGE\nweb +0/1 +Pending +0 +\\d+s"));
  BOOST_TEST(matches(ok("get po web -o wide"),
                     "NOMINATED NODE +READINESS GATES\nweb .*<none> +<none> +<none> +<none>"));
  BOOST_TEST(matches(ok("get pods -A --show-labels"), "default +web .* app=web"));
  BOOST_TEST(ok("get pod web -o jsonpath={.spec.containers[0].livenessProbe.periodSeconds}") == "5");
  BOOST_TEST(ok("get pod web -o yaml").find("apiVersion: v1\nkind: Pod\nmetadata:\n") == 0u);
  BOOST_TEST(json::parse(ok("get pods -o json")).at("kind").as_string() == "List");
  BOOST_TEST(ok("get pods -l app=other") == "No resources found in default namespace.\n");
  BOOST_TEST(ok("label pod web x=y") == "pod/web labeled\n");
  BOOST_TEST(ok("annotate pod web note=here") == "pod/web annotated\n");
  BOOST_TEST(ok("label pod web x-") == "pod/web unlabeled\n");
  BOOST_TEST(ok("patch pod web -p '{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"other\"}]}}'")
             == "pod/web patched\n");
  BOOST_TEST(ok("get pod web -o jsonpath={.spec.containers[0].image}{.metadata.annotations.note}")
             == "otherhere");
  BOOST_TEST(ok("set image pod/web c=third") == "pod/web image updated\n");
  BOOST_TEST(ok("delete pod web") == "pod \"web\" deleted\n");
  auto gone = kubectl("get pod web");
  BOOST_TEST(gone.text == "Error from server (NotFound): pods \"web\" not found\n");
}

BOOST_FIXTURE_TEST_CASE(apply_run_and_refusals, kubectl_world) {
  write("pod.yaml", manifest);
  auto file = (home / "pod.yaml").string();
  BOOST_TEST(ok("apply -f " + file) == "pod/web created\n");
  BOOST_TEST(ok("apply -f " + file) == "pod/web unchanged\n");
  write("pod.yaml", std::regex_replace(manifest, std::regex{"app: web"}, "app: changed"));
  BOOST_TEST(ok("apply -f " + file) == "pod/web configured\n");
  BOOST_TEST(ok("run r1 --image=busybox") == "pod/r1 created\n");
  BOOST_TEST(ok("run r2 --image=busybox --dry-run=server") == "pod/r2 created (server dry run)\n");
  write("bad.yaml", manifest + "  bogus: 1\n");
  auto bad = kubectl("create -f " + (home / "bad.yaml").string());
  BOOST_TEST(
      bad.text.find("Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: unknown field "
                    "\"spec.bogus\"")
      != std::string::npos);
  write("empty.json", R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"e"},"spec":{"containers":[]}})");
  BOOST_TEST(kubectl("create -f " + (home / "empty.json").string()).text
             == "The Pod \"e\" is invalid: spec.containers: Required value\n");
  BOOST_TEST(ok("delete pods --all --wait=false").find("pod \"r1\" deleted") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(namespaces_nodes_leases_and_what_is_served, kubectl_world) {
  BOOST_TEST(ok("create namespace foo") == "namespace/foo created\n"); // in protobuf
  BOOST_TEST(matches(ok("get ns"), "foo +Active"));
  write("node.json", R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"}})");
  ok("create -f " + (home / "node.json").string());
  BOOST_TEST(ok("cordon n1") == "node/n1 cordoned\n");
  BOOST_TEST(matches(ok("get nodes"), "n1 +Unknown,SchedulingDisabled"));
  BOOST_TEST(ok("uncordon n1") == "node/n1 uncordoned\n");
  BOOST_TEST(ok("taint nodes n1 k=v:NoSchedule") == "node/n1 tainted\n");
  BOOST_TEST(ok("describe node n1").find("k=v:NoSchedule") != std::string::npos);
  auto resources = ok("api-resources");
  BOOST_TEST(matches(resources, "pods +po +v1 +true +Pod"));
  BOOST_TEST(matches(resources, "leases +coordination.k8s.io/v1 +true +Lease"));
  BOOST_TEST(ok("version").find("Server Version: v1.32.0") != std::string::npos);
  BOOST_TEST(matches(ok("explain pod.spec.containers.livenessProbe.exec"), "command\t<\\[\\]string>"));
  BOOST_TEST(kubectl("explain pod.nope").text.find("field \"nope\" does not exist") != std::string::npos);
  BOOST_TEST(ok("get all") == "No resources found in default namespace.\n");
  BOOST_TEST(kubectl("get foo").text == "error: the server doesn't have a resource type \"foo\"\n");
  BOOST_TEST(ok("get events") == "No resources found in default namespace.\n");
}

BOOST_FIXTURE_TEST_CASE(watches_and_waits, kubectl_world) {
  post(pods, pod_text("first"));
  running_kubectl watching{home, "get pods -w --output-watch-events"};
  BOOST_REQUIRE(watching.read_until("first"));
  make_running_pod("p");
  BOOST_CHECK_MESSAGE(watching.read_until("1/1"), watching.output);
  BOOST_TEST(matches(watching.output, "ADDED +p +0/1 +Pending"));
  BOOST_TEST(ok("wait --for=condition=Ready pod/p --timeout=20s") == "pod/p condition met\n");
  running_kubectl gone{home, "wait --for=delete pod/p --timeout=20s"};
  BOOST_TEST(ok("delete pod p --force --grace-period=0").find("pod \"p\" force deleted")
             != std::string::npos);
  BOOST_TEST(gone.finish() == 0);
  BOOST_CHECK_MESSAGE(watching.read_until("DELETED"), watching.output);
  auto late = kubectl("wait --for=condition=Ready pod/first --timeout=1s");
  BOOST_TEST(late.text == "error: timed out waiting for the condition on pods/first\n");
}

BOOST_FIXTURE_TEST_CASE(edit_replace_describe_and_pages, kubectl_world) {
  make_running_pod("p");
  write("editor", "#!/bin/sh\nsed -i 's/image: busybox/image: edited/' \"$1\"\n");
  std::filesystem::permissions(home / "editor", std::filesystem::perms::owner_all);
  BOOST_TEST(ok("edit pod p") == "pod/p edited\n");
  BOOST_TEST(ok("get pod p -o jsonpath={.spec.containers[0].image}") == "edited");
  auto current = ok("get pod p -o json");
  BOOST_TEST(ok("label pod p a=b") == "pod/p labeled\n");
  auto stale = kubectl("replace -f -", current);
  BOOST_TEST(stale.text.find("Error from server (Conflict)") == 0u);
  BOOST_TEST(ok("replace -f -", ok("get pod p -o json")) == "pod/p replaced\n");
  post(
      "/api/v1/namespaces/default/events",
      R"({"metadata":{"name":"e"},"involvedObject":{"kind":"Pod","apiVersion":"v1","name":"p","namespace":"default","uid":")"
          + get(pods + "/p").at("/metadata/uid")
          + R"("},"reason":"Started","message":"it runs","type":"Normal","count":1,
           "firstTimestamp":"2026-01-01T00:00:00Z","lastTimestamp":"2026-01-01T00:00:00Z"})");
  auto described = ok("describe pod p");
  BOOST_TEST(described.find("it runs") != std::string::npos);
  BOOST_TEST(matches(described, "Status: +Running"));
  BOOST_TEST(ok("events --for pod/p").find("it runs") != std::string::npos);
  BOOST_TEST(matches(ok("get events"), "Normal +Started +pod/p +it runs"));
  for (auto name : {"q1", "q2", "q3"})
    post(pods, pod_text(name));
  auto paged = ok("get pods --chunk-size=2 --no-headers -o name");
  BOOST_TEST(paged == "pod/p\npod/q1\npod/q2\npod/q3\n");
  BOOST_TEST(matches(ok("get pods --sort-by=.metadata.name"), "p +1/1 +Running"));
  BOOST_TEST(ok("get pods --field-selector=status.phase=Running -o name") == "pod/p\n");
  BOOST_TEST(kubectl("get pods --as=somebody").text
             == "Error from server (Forbidden): pods is forbidden: User \"somebody\" cannot list resource "
                "\"pods\" in API group \"\" in the namespace \"default\"\n");
  BOOST_TEST(kubectl("get pods --as=somebody --as-group=system:masters").code == 0);
  BOOST_TEST(ok("create ns held") == "namespace/held created\n");
  patch("/api/v1/namespaces/held", "merge-patch", R"({"spec":{"finalizers":[]}})");
  BOOST_TEST(get("/api/v1/namespaces/held").at("/spec/finalizers/0") == "kubernetes");
}

BOOST_FIXTURE_TEST_CASE(strangers_are_refused, kubectl_world) {
  http_fetch fetch;
  fetch.url = "https://127.0.0.1:" + std::to_string(tls_port) + "/api/v1/pods";
  fetch.ca_pem = ca;
  auto anonymous = fetch_it(fetch);
  BOOST_TEST(anonymous.status == 401);
  BOOST_TEST(anonymous.at("/reason") == "Unauthorized");
  fetch.url = "https://127.0.0.1:" + std::to_string(tls_port) + "/healthz";
  BOOST_TEST(fetch_it(fetch).body == "ok");
  auto other = make_ca("other");
  auto stranger = make_client_certificate(*other, "root", {"system:masters"});
  write("admin.crt", stranger->certificate);
  write("admin.key", stranger->key);
  auto refused = kubectl("get pods");
  BOOST_TEST(refused.code == 1);
  BOOST_TEST(refused.text.find("You must be logged in to the server") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
