// Server-side apply and the book-keeping of all other writes, by requests.
#include "api_world.hpp"

using namespace podium;
using namespace podium::test;

namespace {

constexpr auto apply_type = "application/apply-patch+yaml";

class apply_world : public api_world {
public:
  reply apply(const std::string& name, std::string body, const std::string& query = "fieldManager=m",
              const std::string& sub = "") {
    return send("PATCH", pods + "/" + name + sub + "?" + query, std::move(body),
                {{"Content-Type", apply_type}});
  }
  /// A configuration of a pod with one container.
  static std::string wish(const std::string& name, const std::string& image = "busybox",
                          const std::string& metadata = "") {
    return R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")" + name + "\""
           + (metadata.empty() ? "" : "," + metadata) + R"(},"spec":{"containers":[{"name":"c","image":")"
           + image + R"("}]}})";
  }
  /// "manager/operation manager/operation …"
  std::string managers(const std::string& name) {
    std::string out;
    auto pod = get(pods + "/" + name).json();
    if (auto* entries = pod.at("metadata").as_object().if_contains("managedFields"))
      for (auto& e : entries->as_array()) {
        out +=
            (out.empty() ? "" : " ") + reply::text_at(e, "/manager") + "/" + reply::text_at(e, "/operation");
        if (e.as_object().contains("subresource")) out += "/" + reply::text_at(e, "/subresource");
      }
    return out;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(apply_suite, apply_world)

BOOST_AUTO_TEST_CASE(applying_creates_and_changes) {
  auto made = apply("p", wish("p"));
  BOOST_TEST(made.status == 201, made.body);
  BOOST_TEST(made.at("/spec/restartPolicy") == "Always");
  BOOST_TEST(made.at("/metadata/managedFields/0/manager") == "m");
  BOOST_TEST(made.at("/metadata/managedFields/0/operation") == "Apply");
  BOOST_TEST(made.at("/metadata/managedFields/0/fieldsV1")
             == R"({"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:image":{},"f:name":{}}}}})");
  auto again = apply("p", wish("p"));
  BOOST_TEST(again.status == 200);
  BOOST_TEST(again.body == made.body);
  auto changed = apply("p", wish("p", "busybox:2", R"("labels":{"a":"1"})"));
  BOOST_TEST(changed.status == 200, changed.body);
  BOOST_TEST(changed.at("/metadata/labels/a") == "1");
  BOOST_TEST(changed.at("/spec/containers/0/image") == "busybox:2");
  auto less = apply("p", wish("p", "busybox:2"));
  BOOST_TEST(less.at("/metadata/labels") == "");
}

BOOST_AUTO_TEST_CASE(yaml_is_taken) {
  auto made =
      apply("p", "apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {a: 'yes'}}\nspec:\n  containers:\n"
                 "  - {name: c, image: busybox, ports: [{containerPort: 80}]}\n");
  BOOST_TEST(made.status == 201, made.body);
  BOOST_TEST(made.at("/metadata/labels/a") == "yes");
  BOOST_TEST(
      made.at("/metadata/managedFields/0/fieldsV1").find(R"(k:{\"containerPort\":80,\"protocol\":\"TCP\"})")
      != std::string::npos);
}

BOOST_AUTO_TEST_CASE(only_what_is_applied_is_there) {
  auto made = send("PATCH", "/apis/events.k8s.io/v1/namespaces/default/events/e?fieldManager=m",
                   R"({"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"name":"e"},"reason":"Seen",
                       "type":"Normal","action":"Look","eventTime":"2026-01-02T03:04:05.000000Z",
                       "reportingController":"example.com/c","reportingInstance":"c-1",
                       "regarding":{"kind":"Pod","namespace":"default","name":"p"}})",
                   {{"Content-Type", apply_type}});
  BOOST_TEST(made.status == 201, made.body);
  auto core = send("PATCH", "/api/v1/namespaces/default/events/f?fieldManager=m",
                   R"({"apiVersion":"v1","kind":"Event","metadata":{"name":"f"},"reason":"Seen",
                       "involvedObject":{"kind":"Pod","namespace":"default","name":"p"}})",
                   {{"Content-Type", apply_type}});
  BOOST_TEST(core.status == 201, core.body);
  for (auto* part : {"/series", "/related"})
    BOOST_TEST(core.at(part) == "", core.body);
}

BOOST_AUTO_TEST_CASE(conflicts_are_told_and_forced) {
  BOOST_REQUIRE(send("POST", pods + "?fieldManager=kubectl-create", pod_text("p", R"({"a":"1","b":"1"})"),
                     {{"Content-Type", "application/json"}})
                    .status
                == 201);
  auto one = apply("p", wish("p", "other"));
  BOOST_TEST(one.status == 409);
  BOOST_TEST(one.at("/reason") == "Conflict");
  BOOST_TEST(one.at("/message")
             == "Apply failed with 1 conflict: conflict with \"kubectl-create\" using v1: "
                ".spec.containers[name=\"c\"].image");
  BOOST_TEST(
      one.at("/details")
      == R"({"causes":[{"reason":"FieldManagerConflict","message":"conflict with \"kubectl-create\" using v1",)"
         R"("field":".spec.containers[name=\"c\"].image"}]})");
  BOOST_REQUIRE(apply("p", wish("p", "busybox", R"("labels":{"a":"1"})"), "fieldManager=n").status == 200);
  auto more = apply("p", wish("p", "other", R"("labels":{"a":"2","b":"2"})"));
  BOOST_TEST(
      more.at("/message")
      == "Apply failed with 5 conflicts: conflicts with \"kubectl-create\" using v1:\n- .metadata.labels.a\n"
         "- .metadata.labels.b\n- .spec.containers[name=\"c\"].image\nconflicts with \"n\":\n"
         "- .metadata.labels.a\n- .spec.containers[name=\"c\"].image");
  // The name comes after "n" as the write does: entries are in the order of their second, then of their name.
  auto forced = apply("p", wish("p", "other", R"("labels":{"a":"2","b":"2"})"), "fieldManager=z&force=true");
  BOOST_TEST(forced.status == 200, forced.body);
  BOOST_TEST(forced.at("/spec/containers/0/image") == "other");
  BOOST_TEST(managers("p") == "n/Apply z/Apply kubectl-create/Update");
}

BOOST_AUTO_TEST_CASE(what_is_no_apply_is_refused) {
  BOOST_REQUIRE(post(pods, pod_text("p")).status == 201);
  struct row {
    std::string_view query, body;
    int status;
    std::string_view message;
  };
  auto good = wish("p");
  for (auto& r : {
           row{"", good, 422,
               "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for "
               "apply patch"},
           row{"fieldManager=a%09b", good, 422,
               "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Invalid value: \"a\\tb\": invalid "
               "character "
               "U+0009 (at position 1)"},
           row{"fieldManager="
               "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
               "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
               good, 422,
               "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Too long: may not be more than 128 "
               "bytes"},
           row{"fieldManager=m&force=maybe", good, 400, ""},
           row{"fieldManager=m&dryRun=Some", good, 422,
               "PatchOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: []string{\"Some\"}: "
               "supported values: \"All\""},
           row{"fieldManager=m&fieldValidation=Never", good, 422, ""},
           row{"fieldManager=m", "[", 400, ""},
           row{"fieldManager=m", "just text", 400, ""},
           row{"fieldManager=m", R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"p"}})", 400,
               "invalid object type: /v1, Kind=Node"},
           row{"fieldManager=m", R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"q"}})", 400,
               "the name of the object (q) does not match the name on the URL (p)"},
           row{"fieldManager=m",
               R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"other"}})", 400,
               "the namespace of the provided object does not match the namespace sent on the request"},
           row{"fieldManager=m",
               R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","managedFields":[]}})", 400,
               "metadata.managedFields must be nil"},
           row{"fieldManager=m",
               R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"bogus":1}})", 500,
               "failed to create typed patch object (default/p; /v1, Kind=Pod): .spec.bogus: field not "
               "declared in schema"},
           row{"fieldManager=m&fieldValidation=Strict",
               R"({"apiVersion":"v1","kind":"Pod","kind":"Pod","metadata":{"name":"p"}})", 400,
               "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n"
               "  line 1: key \"kind\" already set in map"},
           row{"fieldManager=m",
               R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","resourceVersion":"1"}})", 409,
               "Operation cannot be fulfilled on pods \"p\": the object has been modified; please apply your "
               "changes to "
               "the latest version and try again"},
           row{"fieldManager=m", R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","uid":"x"}})", 409,
               ""},
           row{"fieldManager=m",
               R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","labels":{"a b":"c"}}})", 422, ""},
       }) {
    auto got = apply("p", std::string{r.body}, std::string{r.query});
    BOOST_TEST_CONTEXT(r.query << " " << r.body << ": " << got.body) {
      BOOST_TEST(got.status == r.status);
      BOOST_TEST(got.at("/kind") == "Status");
      if (!r.message.empty()) BOOST_TEST(got.at("/message") == r.message);
    }
  }
  auto merge =
      send("PATCH", pods + "/p?force=true", "{}", {{"Content-Type", "application/merge-patch+json"}});
  BOOST_TEST(merge.at("/message")
             == "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for "
                "non-apply patch");
  auto gone = apply("q", R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"q","uid":"x"}})");
  BOOST_TEST(gone.at("/message")
             == "Operation cannot be fulfilled on pods \"q\": uid mismatch: the provided object specified "
                "uid x, and no "
                "existing object was found");
  BOOST_TEST(apply("q", wish("q"), "fieldManager=m", "/status").status == 404);
  // What kubectl shows of duplicates when it only warns.
  auto warned = apply("p", R"({"apiVersion":"v1","kind":"Pod","kind":"Pod","metadata":{"name":"p"}})");
  BOOST_TEST(warned.status == 200, warned.body);
  BOOST_TEST(warned.headers.get("Warning").find("already set in map") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_dry_run_persists_nothing) {
  BOOST_TEST(apply("p", wish("p"), "fieldManager=m&dryRun=All").status == 201);
  BOOST_TEST(get(pods + "/p").status == 404);
  BOOST_REQUIRE(apply("p", wish("p")).status == 201);
  auto dry = apply("p", wish("p", "other"), "fieldManager=m&dryRun=All");
  BOOST_TEST(dry.at("/spec/containers/0/image") == "other");
  BOOST_TEST(get(pods + "/p").at("/spec/containers/0/image") == "busybox");
}

BOOST_AUTO_TEST_CASE(every_writer_is_noted) {
  auto by_agent = send("POST", pods, pod_text("p", R"({"a":"1"})"),
                       {{"Content-Type", "application/json"}, {"User-Agent", "curl/8.0 (x)"}});
  BOOST_REQUIRE(by_agent.status == 201);
  BOOST_TEST(managers("p") == "curl/Update");
  // What admission fills in is nobody's.
  auto fields = by_agent.at("/metadata/managedFields/0/fieldsV1");
  BOOST_TEST(fields.find("f:restartPolicy") != std::string::npos);
  for (auto absent :
       {"f:tolerations", "f:serviceAccount", "f:priority", "f:status", "f:uid", "\"f:name\":{}}}\"f:"})
    BOOST_TEST(fields.find(absent) == std::string::npos, absent);
  auto patched = send("PATCH", pods + "/p?fieldManager=kubectl-label", R"({"metadata":{"labels":{"x":"y"}}})",
                      {{"Content-Type", "application/merge-patch+json"}});
  BOOST_TEST(managers("p") == "curl/Update kubectl-label/Update");
  // The same again changes nothing: neither version nor time.
  auto same = send("PATCH", pods + "/p?fieldManager=somebody", R"({"metadata":{"labels":{"x":"y"}}})",
                   {{"Content-Type", "application/merge-patch+json"}});
  BOOST_TEST(same.body == patched.body);
  BOOST_REQUIRE(send("PATCH", pods + "/p/status?fieldManager=kubelet", R"({"status":{"message":"hello"}})",
                     {{"Content-Type", "application/merge-patch+json"}})
                    .status
                == 200);
  BOOST_TEST(managers("p") == "curl/Update kubectl-label/Update kubelet/Update/status");
  // A PUT that knows nothing of the book-keeping keeps it.
  auto whole = get(pods + "/p").json();
  whole.as_object()["metadata"].as_object().erase("managedFields");
  whole.as_object()["metadata"].as_object()["labels"] = {{"z", "1"}};
  auto put = send("PUT", pods + "/p?fieldManager=kubectl-replace", json::serialize(whole),
                  {{"Content-Type", "application/json"}});
  BOOST_TEST(put.status == 200, put.body);
  BOOST_TEST(managers("p") == "curl/Update kubectl-replace/Update kubelet/Update/status");
  // And [{}] ends it.
  BOOST_REQUIRE(
      patch(pods + "/p", "json-patch", R"([{"op":"replace","path":"/metadata/managedFields","value":[{}]}])")
          .status
      == 200);
  BOOST_TEST(managers("p") == "");
  BOOST_TEST(apply("p", wish("p", "other")).at("/message")
             == "Apply failed with 1 conflict: conflict with \"before-first-apply\" using v1: "
                ".spec.containers[name=\"c\"].image");
}

BOOST_AUTO_TEST_CASE(the_status_is_applied_by_its_subresource) {
  make_running_pod("p");
  auto wish_status = [](const std::string& message) {
    return R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","labels":{"no":"no"}},"status":{"message":")"
           + message + R"("}})";
  };
  auto set = apply("p", wish_status("one"), "fieldManager=s", "/status");
  BOOST_TEST(set.status == 200, set.body);
  BOOST_TEST(set.at("/status/message") == "one");
  BOOST_TEST(set.at("/status/phase") == "Running");
  BOOST_TEST(set.at("/metadata/labels/no") == "no");
  BOOST_TEST(managers("p").find("s/Apply/status") != std::string::npos);
  auto other = apply("p", wish_status("two"), "fieldManager=t", "/status");
  BOOST_TEST(
      other.at("/message")
      == "Apply failed with 1 conflict: conflict with \"s\" with subresource \"status\": .status.message");
  // By the main resource a status is not looked at.
  auto main = apply("p", wish_status("three"), "fieldManager=t");
  BOOST_TEST(main.status == 200, main.body);
  BOOST_TEST(main.at("/status/message") == "one");
}

BOOST_AUTO_TEST_CASE(nodes_and_namespaces_are_applied_too) {
  auto made = send("PATCH", "/api/v1/namespaces/team?fieldManager=m",
                   R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"team","labels":{"a":"1"}}})",
                   {{"Content-Type", apply_type}});
  BOOST_TEST(made.status == 201, made.body);
  BOOST_TEST(made.at("/spec/finalizers") == R"(["kubernetes"])");
  BOOST_TEST(made.at("/metadata/managedFields/0/fieldsV1") == R"({"f:metadata":{"f:labels":{"f:a":{}}}})");
  auto changed = send("PATCH", "/api/v1/namespaces/team?fieldManager=m",
                      R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"team"}})",
                      {{"Content-Type", apply_type}});
  BOOST_TEST(changed.status == 200, changed.body);
  BOOST_TEST(changed.at("/metadata/labels") == R"({"kubernetes.io/metadata.name":"team"})");
  auto node = send(
      "PATCH", "/api/v1/nodes/n?fieldManager=m",
      R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n"},"spec":{"taints":[{"key":"k","effect":"NoSchedule"}]}})",
      {{"Content-Type", apply_type}});
  BOOST_TEST(node.status == 201, node.body);
}

BOOST_AUTO_TEST_CASE(a_configuration_may_be_yaml_in_flow_style) {
  auto made = apply("p", "{apiVersion: v1, kind: Pod, spec: {containers: [{name: c, image: busybox}]}}");
  BOOST_TEST(made.status == 201, made.body);
  auto broken = apply("p", "{apiVersion: v1, kind: [}");
  BOOST_TEST(broken.status == 400);
  BOOST_TEST(broken.at("/message").starts_with("error decoding YAML: "));
}

BOOST_AUTO_TEST_SUITE_END()
