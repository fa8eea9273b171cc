#include "tests/api/api_world.hpp"

using namespace podium;
using namespace podium::test;

namespace {
const std::string table_accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
}

BOOST_FIXTURE_TEST_SUITE(request_suite, api_world)

BOOST_AUTO_TEST_CASE(discovery_in_both_forms) {
  auto v2 =
      get("/api", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json");
  BOOST_TEST(v2.headers.get("Content-Type")
             == "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
  BOOST_TEST(v2.at("/items/0/versions/0/resources/0/resource") == "pods");
  BOOST_TEST(v2.at("/items/0/metadata/name") == "");
  BOOST_TEST(get("/api").at("/versions/0") == "v1");
  BOOST_TEST(get("/apis").at("/groups/1/name") == "coordination.k8s.io");
  BOOST_TEST(get("/apis/coordination.k8s.io").at("/preferredVersion/version") == "v1");
  BOOST_TEST(get("/api/v1/").at("/resources/0/name") == "pods");
  BOOST_TEST(get("/version/").at("/minor") == "32");
  BOOST_TEST(get("/healthz").body == "ok");
  BOOST_TEST(get("/nothing").at("/message") == "the server could not find the requested resource");
  BOOST_TEST(get("/nothing").at("/details") == "{}");
  auto v2_openapi = get("/openapi/v2");
  BOOST_TEST(v2_openapi.status == 200);
  BOOST_TEST(v2_openapi.headers.get("Content-Type")
             == "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
  BOOST_TEST(v2_openapi.body.starts_with("\x0a\x03"
                                         "2.0")); // field 1: the version of Swagger
  server->set_ready(false);
  BOOST_TEST(get("/readyz").status == 500);
  BOOST_TEST(get("/livez").status == 200);
}

BOOST_AUTO_TEST_CASE(openapi_is_kept_by_its_hash) {
  auto index = get("/openapi/v3?timeout=32s");
  auto url = index.at("/paths/api~1v1/serverRelativeURL");
  BOOST_TEST(url.starts_with("/openapi/v3/api/v1?hash="));
  auto document = get(url);
  BOOST_TEST(document.headers.get("Cache-Control") == "public, immutable");
  BOOST_TEST(document.at("/paths/~1api~1v1~1namespaces~1{namespace}~1pods~1{name}/patch/parameters/2/name")
             == "fieldValidation");
  BOOST_TEST(document.at("/components/schemas/io.k8s.api.core.v1.Pod/properties/spec/allOf/0/$ref")
             == "#/components/schemas/io.k8s.api.core.v1.PodSpec");
  auto etag = std::string{index.headers.get("ETag")};
  BOOST_TEST(send("GET", "/openapi/v3", {}, {{"If-None-Match", etag}}).status == 304);
  BOOST_TEST(get("/openapi/v3/apis/nope/v1").status == 404);
}

BOOST_AUTO_TEST_CASE(everything_in_the_schema_says_what_it_is_for) {
  auto index = boost::json::parse(get("/openapi/v3").body);
  size_t described = 0;
  std::string silent;
  auto look = [&](const boost::json::value& of, const std::string& name) {
    auto* text = of.as_object().if_contains("description");
    ++described;
    if (!text || text->as_string().empty()) silent += name + " ";
  };
  for (auto& [path, entry] : index.at("paths").as_object()) {
    auto document = boost::json::parse(get(std::string{entry.at("serverRelativeURL").as_string()}).body);
    for (auto& [type, schema] : document.at("components").at("schemas").as_object()) {
      look(schema, type);
      if (auto* fields = schema.as_object().if_contains("properties"))
        for (auto& [field, of] : fields->as_object())
          look(of, std::string{type} + "." + std::string{field});
    }
  }
  BOOST_TEST(silent == "");
  BOOST_TEST(described > 1000u);
}

BOOST_AUTO_TEST_CASE(a_pod_is_created_read_listed_and_deleted) {
  auto made = post(pods + "?fieldManager=x&fieldValidation=Strict&unknown=1", pod_text("p1"));
  BOOST_REQUIRE_MESSAGE(made.status == 201, made.body);
  BOOST_TEST(made.at("/status/phase") == "Pending");
  BOOST_TEST(made.at("/spec/restartPolicy") == "Always");
  BOOST_TEST(made.at("/kind") == "Pod");
  BOOST_TEST(post(pods, pod_text("p1")).at("/message") == "pods \"p1\" already exists");
  BOOST_TEST(get(pods + "/p1").at("/metadata/uid") == made.at("/metadata/uid"));
  BOOST_TEST(get(pods + "/nope").at("/message") == "pods \"nope\" not found");
  BOOST_TEST(get(pods + "/nope").at("/details/kind") == "pods");
  auto table = get(pods, table_accept);
  BOOST_TEST(table.at("/rows/0/cells/2") == "Pending");
  BOOST_TEST(get("/api/v1/pods").at("/items/0/metadata/namespace") == "default");
  BOOST_TEST(post("/api/v1/namespaces/none/pods", pod_text("p1")).at("/message")
             == "namespaces \"none\" not found");
  auto gone = send("DELETE", pods + "/p1", R"({"propagationPolicy":"Background"})",
                   {{"Content-Type", "application/json"}});
  BOOST_TEST(gone.status == 200);
  BOOST_TEST(get(pods + "/p1").status == 404); // never scheduled: nobody has to let go of it
  BOOST_TEST(send("DELETE", pods + "/p1").at("/message") == "pods \"p1\" not found");
}

BOOST_AUTO_TEST_CASE(a_name_is_taken_until_its_pod_is_gone) {
  auto bound = std::string{R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"p"},)"}
               + R"("spec":{"nodeName":"n","containers":[{"name":"c","image":"i"}]}})";
  BOOST_REQUIRE(post(pods, bound).status == 201);
  BOOST_REQUIRE(send("DELETE", pods + "/p").status == 200);
  auto again = post(pods, bound);
  BOOST_TEST(again.status == 409);
  BOOST_TEST(again.at("/reason") == "AlreadyExists");
  BOOST_TEST(again.at("/message") == "object is being deleted: pods \"p\" already exists");
}

BOOST_AUTO_TEST_CASE(bad_requests_say_what_is_wrong) {
  struct row {
    std::string method, path, body, type;
    int status;
    std::string message;
  };
  auto spec = [](const std::string& fields) {
    return R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"p"},"spec":)" + fields + "}";
  };
  const row rows[] = {
      {"POST", pods + "?fieldValidation=Strict",
       spec(R"({"containers":[{"name":"c","image":"i"}],"bogus":1})"), "json", 400,
       "Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: unknown field "
       "\"spec.bogus\""},
      {"POST", pods, spec(R"({"containers":[]})"), "json", 422,
       "Pod \"p\" is invalid: spec.containers: Required value"},
      {"POST", pods, "{", "json", 400, ""},
      {"POST", pods, spec("{}"), "xml", 415,
       "the body of the request was in an unknown format - accepted media types include: application/json, "
       "application/yaml, application/vnd.kubernetes.protobuf"},
      {"POST", pods, spec(R"({"containers":[{"name":"c","image":"i"}],"overhead":{"cpu":"1"}})"), "json", 403,
       "pods \"p\" is forbidden: pod rejected: Pod Overhead set without corresponding RuntimeClass defined "
       "Overhead"},
      {"PATCH", pods + "/p", "{}", "json", 415, ""},
      {"PUT", pods, "{}", "json", 405, "the server does not allow this method on the requested resource"},
      {"POST", pods + "?dryRun=Some", spec("{}"), "json", 422, ""},
      {"GET", pods + "?fieldSelector=spec.bogus%3Dx", "", "json", 400,
       "field label not supported: spec.bogus"},
      {"GET", pods + "?labelSelector=a%20b", "", "json", 400, ""},
      {"GET", pods + "?limit=x", "", "json", 400, ""},
      {"GET", pods + "?continue=xyz", "", "json", 400, "continue key is not valid"},
      {"GET", pods + "?resourceVersion=999999999", "", "json", 504, ""},
      {"POST", "/api/v1/pods", spec("{}"), "json", 405, ""},
      {"PUT", pods + "/missing", pod_text("missing"), "json", 404, "pods \"missing\" not found"},
      {"PUT", pods + "/other", pod_text("p"), "json", 400,
       "the name of the object (p) does not match the name on the URL (other)"},
  };
  for (auto& r : rows) {
    BOOST_TEST_CONTEXT(r.method << " " << r.path << " " << r.body) {
      auto got = send(r.method, r.path, r.body, {{"Content-Type", "application/" + r.type}});
      BOOST_TEST(got.status == r.status);
      BOOST_TEST(got.at("/kind") == "Status");
      BOOST_TEST(got.at("/code") == std::to_string(r.status));
      if (!r.message.empty()) BOOST_TEST(got.at("/message") == r.message);
    }
  }
  auto warned = post(pods + "?dryRun=All", spec(R"({"containers":[{"name":"c","image":"i"}],"bogus":1})"));
  BOOST_TEST(warned.status == 201);
  BOOST_TEST(warned.headers.get("Warning") == "299 - \"unknown field \\\"spec.bogus\\\"\"");
  BOOST_TEST(get(pods + "/p").status == 404); // a dry run
}

BOOST_AUTO_TEST_CASE(bodies_may_be_yaml) {
  auto made =
      send("POST", pods, "metadata:\n  name: yam\nspec:\n  containers:\n  - {name: c, image: busybox}\n",
           {{"Content-Type", "application/yaml"}});
  BOOST_TEST(made.status == 201);
  BOOST_TEST(made.at("/apiVersion") == "v1");
}

BOOST_AUTO_TEST_CASE(updates_know_their_versions) {
  auto made = post(pods, pod_text("p"));
  auto document = made.json();
  document.as_object()["metadata"].as_object()["labels"] = {{"a", "b"}};
  auto changed = put(pods + "/p", json::serialize(document));
  BOOST_TEST(changed.status == 200);
  BOOST_TEST(changed.at("/metadata/labels/a") == "b");
  auto stale = put(pods + "/p", json::serialize(document));
  BOOST_TEST(stale.status == 409);
  BOOST_TEST(stale.at("/message")
             == "Operation cannot be fulfilled on pods \"p\": the object has been modified; please "
                "apply your changes to the latest version and try again");
  auto same = put(pods + "/p", changed.body);
  BOOST_TEST(same.at("/metadata/resourceVersion") == changed.at("/metadata/resourceVersion"));
  auto forbidden = patch(pods + "/p", "merge-patch", R"({"spec":{"hostname":"x"}})");
  BOOST_TEST(forbidden.status == 422);
  BOOST_TEST(forbidden.at("/details/causes/0/reason") == "FieldValueForbidden");
}

BOOST_AUTO_TEST_CASE(patches_of_three_kinds) {
  post(pods, pod_text("p"));
  BOOST_TEST(
      patch(pods + "/p", "merge-patch", R"({"metadata":{"labels":{"a":"1"}}})").at("/metadata/labels/a")
      == "1");
  BOOST_TEST(
      patch(pods + "/p", "strategic-merge-patch", R"({"spec":{"containers":[{"name":"c","image":"new"}]}})")
          .at("/spec/containers/0/image")
      == "new");
  BOOST_TEST(patch(pods + "/p", "json-patch", R"([{"op":"remove","path":"/metadata/labels/a"}])")
                 .at("/metadata/labels/a")
             == "");
  auto strict = patch(pods + "/p?fieldValidation=Strict", "merge-patch", R"({"spec":{"bogus":1}})");
  BOOST_TEST(strict.status == 422);
  BOOST_TEST(strict.at("/message").find("strict decoding error: unknown field \"spec.bogus\"")
             != std::string::npos);
  auto before = get(pods + "/p").at("/metadata/resourceVersion");
  BOOST_TEST(patch(pods + "/p", "merge-patch", "{}").at("/metadata/resourceVersion") == before);
  BOOST_TEST(
      patch(pods + "/p", "merge-patch", R"({"metadata":{"resourceVersion":"1","labels":{"z":"1"}}})").status
      == 409);
  auto status = patch(
      pods + "/p/status", "strategic-merge-patch",
      R"({"status":{"conditions":[{"type":"Ready","status":"True"}]},"metadata":{"labels":{"no":"no"}}})");
  BOOST_TEST(status.status == 200);
  BOOST_TEST(status.at("/status/conditions/0/type") == "Ready");
  BOOST_TEST(status.at("/metadata/labels/no") == "no");
}

BOOST_AUTO_TEST_CASE(a_status_comes_with_its_metadata) {
  post(pods, pod_text("p"));
  auto set = patch(pods + "/p/status", "merge-patch",
                   R"({"metadata":{"annotations":{"by":"status"},"finalizers":["x.io/y"],
      "ownerReferences":[{"apiVersion":"v1","kind":"Node","name":"n","uid":"u"}]},
      "spec":{"nodeName":"n"},"status":{"message":"m"}})");
  BOOST_REQUIRE_MESSAGE(set.status == 200, set.body);
  BOOST_TEST(set.at("/metadata/annotations/by") == "status");
  BOOST_TEST(set.at("/metadata/finalizers/0") == "x.io/y");
  BOOST_TEST(set.at("/metadata/ownerReferences") == ""); // a pod's owners are not its node's to say
  BOOST_TEST(set.at("/spec/nodeName") == "");
  BOOST_TEST(set.at("/status/message") == "m");
  BOOST_TEST(set.at("/metadata/managedFields").find(R"("f:by")") != std::string::npos);
  BOOST_TEST(patch(pods + "/p/status", "merge-patch", R"({"metadata":{"labels":{"no good":"x"}}})").status
             == 422);
  auto ns = patch(
      "/api/v1/namespaces/default/status", "merge-patch",
      R"({"metadata":{"annotations":{"a":"b"}},"status":{"conditions":[{"type":"T","status":"True"}]}})");
  BOOST_TEST(ns.at("/metadata/annotations/a") == "b");
  BOOST_TEST(ns.at("/spec/finalizers/0") == "kubernetes");
  // The last finalizer may go by the status, too.
  send("DELETE", pods + "/p");
  BOOST_TEST(get(pods + "/p").status == 200);
  BOOST_TEST(patch(pods + "/p/status", "merge-patch", R"({"metadata":{"finalizers":null}})").status == 200);
  BOOST_TEST(get(pods + "/p").status == 404);
}

BOOST_AUTO_TEST_CASE(a_namespaces_finalizers_are_set_by_their_subresource) {
  const std::string path = "/api/v1/namespaces/team";
  post("/api/v1/namespaces", R"({"metadata":{"name":"team"}})");
  auto finalize = [&](const std::string& list) {
    return put(path + "/finalize", R"({"metadata":{"name":"team"},"spec":{"finalizers":)" + list + "}}");
  };
  auto added = finalize(R"(["kubernetes","e2e.example.com/x"])");
  BOOST_TEST(added.at("/spec/finalizers") == R"(["kubernetes","e2e.example.com/x"])");
  BOOST_TEST(finalize(R"(["nothing"])").status == 422);
  BOOST_TEST(put(path, R"({"metadata":{"name":"team"},"spec":{}})").at("/spec/finalizers/1")
             == "e2e.example.com/x");
  send("DELETE", path);
  auto left = send("DELETE", path); // as the namespace controller does when nothing is in it
  BOOST_TEST(get(path).at("/spec/finalizers") == R"(["e2e.example.com/x"])");
  BOOST_TEST(finalize("[]").status == 200);
  BOOST_TEST(get(path).status == 404);
  // Once gone they come back by no other write.
  post("/api/v1/namespaces", R"({"metadata":{"name":"team"}})");
  BOOST_TEST(finalize("[]").status == 200);
  auto named = patch(path, "merge-patch", R"({"metadata":{"labels":{"a":"b"}}})");
  BOOST_TEST(named.at("/metadata/labels/a") == "b");
  BOOST_TEST(named.at("/spec/finalizers/0") == "");
}

BOOST_AUTO_TEST_CASE(lists_come_in_pages_of_one_snapshot) {
  for (int i = 0; i < 25; ++i)
    post(pods, pod_text("p" + std::to_string(100 + i), i % 2 ? R"({"odd":"yes"})" : "{}"));
  std::vector<std::string> names;
  std::string token, version;
  for (int round = 0; round < 10; ++round) {
    auto part = get("/api/v1/pods?limit=10&continue=" + token);
    BOOST_REQUIRE(part.status == 200);
    if (round == 0) {
      version = part.at("/metadata/resourceVersion");
      BOOST_TEST(part.at("/metadata/remainingItemCount") == "15");
      send("DELETE", pods + "/p124"); // the later pages do not see it go
      post(pods, pod_text("p999"));
    }
    BOOST_TEST(part.at("/metadata/resourceVersion") == version);
    auto document = part.json();
    for (auto& item : document.at("items").as_array())
      names.push_back(reply::text_at(item, "/metadata/name"));
    token = part.at("/metadata/continue");
    if (token.empty()) break;
  }
  BOOST_TEST(names.size() == 25u);
  post("/api/v1/namespaces", R"({"metadata":{"name":"other"}})");
  post("/api/v1/namespaces/other/pods", pod_text("elsewhere"));
  auto all = get(pods).json().at("items").as_array().size();
  auto of_one = get(pods + "?limit=10");
  BOOST_TEST(of_one.at("/metadata/remainingItemCount") == std::to_string(all - 10));
  auto second = get(pods + "?limit=10&continue=" + of_one.at("/metadata/continue"));
  BOOST_TEST(second.at("/metadata/remainingItemCount") == std::to_string(all - 20));
  BOOST_TEST(get(pods + "?limit=5&labelSelector=odd%3Dyes").at("/metadata/remainingItemCount") == "");
  BOOST_TEST(names.back() == "p124");
  BOOST_TEST(get(pods + "?labelSelector=odd").json().at("items").as_array().size() == 12u);
  BOOST_TEST(get(pods + "?fieldSelector=metadata.name%3Dp103").json().at("items").as_array().size() == 1u);
  BOOST_TEST(get(pods + "?fieldSelector=spec.nodeName%3Dn1,status.phase%21%3DFailed")
                 .json()
                 .at("items")
                 .as_array()
                 .empty());
  auto gone = send("DELETE", pods + "?labelSelector=odd");
  BOOST_TEST(gone.json().at("items").as_array().size() == 12u);
  BOOST_TEST(get(pods).json().at("items").as_array().size() == 13u);
}

BOOST_AUTO_TEST_CASE(a_bound_pod_goes_gracefully) {
  make_running_pod("p");
  auto first = send("DELETE", pods + "/p?gracePeriodSeconds=7");
  BOOST_TEST(first.at("/metadata/deletionGracePeriodSeconds") == "7");
  BOOST_TEST(get(pods + "/p", table_accept).at("/rows/0/cells/2") == "Terminating");
  auto uid = first.at("/metadata/uid");
  auto other = send("DELETE", pods + "/p", R"({"gracePeriodSeconds":0,"preconditions":{"uid":"other"}})");
  BOOST_TEST(other.status == 409);
  auto last =
      send("DELETE", pods + "/p", R"({"gracePeriodSeconds":0,"preconditions":{"uid":")" + uid + R"("}})");
  BOOST_TEST(last.status == 200);
  BOOST_TEST(get(pods + "/p").status == 404);
}

BOOST_AUTO_TEST_CASE(events_are_read_in_both_groups) {
  auto made =
      post("/api/v1/namespaces/default/events",
           R"({"metadata":{"name":"e"},"involvedObject":{"kind":"Pod","name":"web","namespace":"default"},
                      "reason":"Started","message":"m","type":"Normal"})");
  BOOST_REQUIRE_MESSAGE(made.status == 201, made.body);
  BOOST_TEST(get("/apis/events.k8s.io/v1/namespaces/default/events/e").at("/regarding/name") == "web");
  BOOST_TEST(get("/apis/events.k8s.io/v1/events?fieldSelector=regarding.name%3Dweb").at("/items/0/note")
             == "m");
  BOOST_TEST(get("/api/v1/events?fieldSelector=involvedObject.name%3Dweb,involvedObject.uid%3D")
                 .at("/items/0/message")
             == "m");
  BOOST_TEST(send("DELETE", "/apis/events.k8s.io/v1/namespaces/default/events/e").status == 200);
  BOOST_TEST(get("/api/v1/namespaces/default/events/e").status == 404);
}

BOOST_AUTO_TEST_CASE(events_are_written_in_both_groups) {
  const std::string events = "/apis/events.k8s.io/v1/namespaces/default/events";
  auto text = [](const std::string& more) {
    return R"({"kind":"Event","apiVersion":"events.k8s.io/v1","metadata":{"name":"e"},"reason":"Tested",
      "action":"Test","note":"first","type":"Normal","reportingController":"x.io/c","reportingInstance":"c-1",
      "regarding":{"kind":"Pod","name":"web","namespace":"default"})"
           + more + "}";
  };
  BOOST_TEST(post(events, text("")).status == 422); // eventTime is required here
  auto made = post(events, text(R"(,"eventTime":"2026-01-01T00:00:00.000000Z")"));
  BOOST_REQUIRE_MESSAGE(made.status == 201, made.body);
  BOOST_TEST(made.at("/apiVersion") == "events.k8s.io/v1");
  BOOST_TEST(made.at("/note") == "first");
  auto core = get("/api/v1/namespaces/default/events/e");
  BOOST_TEST(core.at("/apiVersion") == "v1");
  BOOST_TEST(core.at("/message") == "first");
  BOOST_TEST(core.at("/involvedObject/name") == "web");
  BOOST_TEST(core.at("/reportingComponent") == "x.io/c");
  BOOST_TEST(core.at("/regarding") == "");
  auto series = R"({"series":{"count":2,"lastObservedTime":"2026-01-01T00:00:01.000000Z"}})";
  auto seen_again = patch(events + "/e", "strategic-merge-patch", series);
  BOOST_TEST(seen_again.status == 200, seen_again.body);
  BOOST_TEST(get("/api/v1/namespaces/default/events/e").at("/series/count") == "2");
  BOOST_TEST(patch(events + "/e", "merge-patch", R"({"note":"second"})").status == 422);
  auto whole = get(events + "/e").json();
  whole.at("series").as_object()["count"] = 3;
  auto replaced = put(events + "/e", json::serialize(whole));
  BOOST_TEST(replaced.status == 200, replaced.body);
  BOOST_TEST(get("/api/v1/namespaces/default/events/e").at("/series/count") == "3");
  BOOST_TEST(send("DELETE", events).status == 200);
  BOOST_TEST(get("/api/v1/namespaces/default/events").at("/items") == "[]");
}

BOOST_AUTO_TEST_CASE(bodies_have_limits) {
  auto big = send("POST", pods, std::string(4 * 1024 * 1024, ' '), {{"Content-Type", "application/json"}});
  BOOST_TEST((big.status == 413 || big.status == 0));
  auto options =
      send("DELETE", pods + "/p", std::string(100 * 1024, ' '), {{"Content-Type", "application/json"}});
  BOOST_TEST((options.status == 413 || options.status == 0));
}

BOOST_AUTO_TEST_SUITE_END()
