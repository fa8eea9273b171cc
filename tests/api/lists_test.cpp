#include "api/gzip.hpp"
#include "tests/api/api_world.hpp"

#include <zlib.h>

using namespace podium;
using namespace podium::test;

namespace {

std::string gunzip(const std::string& text) {
  z_stream stream{};
  BOOST_REQUIRE(inflateInit2(&stream, 15 + 16) == Z_OK);
  std::string out(16 * 1024 * 1024, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  BOOST_TEST(inflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

/// A pod of 40 KB.
std::string large_pod(const std::string& name) {
  return R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":")" + name + R"(","annotations":{"a":")"
         + std::string(40'000, 'x') + R"("}},"spec":{"containers":[{"name":"c","image":"busybox"}]}})";
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(lists_suite, api_world)

BOOST_AUTO_TEST_CASE(options_that_mean_nothing_are_refused_in_kubernetes_words) {
  const std::string list = "ListOptions.meta.k8s.io \"\" is invalid: ";
  struct row {
    std::string query;
    int status;
    std::string message;
  };
  const row rows[] = {
      {"resourceVersionMatch=Exact", 422,
       list
           + "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is "
             "provided"},
      {"resourceVersionMatch=Exact&resourceVersion=0", 422,
       list
           + "resourceVersionMatch: Forbidden: resourceVersionMatch \"exact\" is forbidden for "
             "resourceVersion \"0\""},
      {"resourceVersionMatch=Newer&resourceVersion=1", 422,
       list
           + "resourceVersionMatch: Unsupported value: \"Newer\": supported values: \"Exact\", "
             "\"NotOlderThan\", \"\""},
      {"sendInitialEvents=true", 422,
       list + "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"},
      {"watch=1&resourceVersionMatch=NotOlderThan", 422,
       list
           + "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless "
             "sendInitialEvents is provided"},
      {"watch=1&sendInitialEvents=true", 422,
       list
           + "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to "
             "NotOlderThan"},
      {"sendInitialEvents=false&resourceVersionMatch=Exact", 422,
       list
           + "[resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is "
             "provided, sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list]"},
      {"resourceVersionMatch=NotOlderThan&resourceVersion=1&continue=x", 422,
       list + "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided"},
      {"watch=1&sendInitialEvents=false", 422,
       list
           + "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to "
             "NotOlderThan"},
      {"watch=1&sendInitialEvents=false&resourceVersion=x", 422, ""}, // the options are judged first
      {"watch=1&sendInitialEvents=true&resourceVersionMatch=Exact", 422,
       list
           + "[resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to "
             "NotOlderThan, resourceVersionMatch: Unsupported value: \"Exact\": supported values: "
             "\"NotOlderThan\"]"},
      {"watch=1&resourceVersionMatch=Exact&resourceVersion=1", 422,
       list
           + "[resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless "
             "sendInitialEvents is provided, resourceVersionMatch: Unsupported value: \"Exact\": supported "
             "values: \"NotOlderThan\"]"},
      {"watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&continue=x", 422,
       list + "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided"},
      {"watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=999999999", 504, ""},
      {"resourceVersion=x", 400,
       "invalid resource version: resourceVersion: Invalid value: \"x\": strconv.ParseUint: parsing \"x\": "
       "invalid syntax"},
      {"resourceVersion=99999999999999999999", 400,
       "invalid resource version: resourceVersion: Invalid value: \"99999999999999999999\": "
       "strconv.ParseUint: parsing \"99999999999999999999\": value out of range"},
      {"fieldSelector=spec.containers%3Dx", 400, "field label not supported: spec.containers"},
  };
  for (auto& r : rows)
    BOOST_TEST_CONTEXT(r.query) {
      auto got = get(pods + "?" + r.query);
      BOOST_TEST(got.status == r.status);
      if (!r.message.empty()) BOOST_TEST(got.at("/message") == r.message);
    }
  BOOST_TEST(get("/api/v1/nodes?fieldSelector=metadata.namespace%3Dx").at("/message")
             == "field label not supported: metadata.namespace");
  BOOST_TEST(get("/apis/coordination.k8s.io/v1/leases?fieldSelector=spec.x%3D1").at("/message")
             == "\"spec.x\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"");
}

BOOST_AUTO_TEST_CASE(every_selectable_field_selects) {
  make_running_pod("runs");
  post(pods, R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"waits","labels":{"tier":"a","n":"3"}},
    "spec":{"restartPolicy":"Never","schedulerName":"other","serviceAccountName":"sa","hostNetwork":true,
    "containers":[{"name":"c","image":"busybox"}]}})");
  const std::pair<std::string, std::string> rows[] = {
      {"fieldSelector=metadata.name=waits", "waits"},
      {"fieldSelector=metadata.namespace=default,metadata.name!=runs", "waits"},
      {"fieldSelector=spec.nodeName=n1", "runs"},
      {"fieldSelector=spec.nodeName=", "waits"},
      {"fieldSelector=spec.restartPolicy=Never", "waits"},
      {"fieldSelector=spec.schedulerName=other", "waits"},
      {"fieldSelector=spec.serviceAccountName=sa", "waits"},
      {"fieldSelector=spec.hostNetwork=true", "waits"},
      {"fieldSelector=status.phase=Running", "runs"},
      {"fieldSelector=status.podIP=10.0.0.9", "runs"},
      {"fieldSelector=status.podIPs=10.0.0.9", "runs"},
      {"fieldSelector=status.nominatedNodeName=n9", ""},
      {"labelSelector=tier in (a,b)", "waits"},
      {"labelSelector=tier notin (a)", "runs"},
      {"labelSelector=!tier", "runs"},
      {"labelSelector=tier", "waits"},
      {"labelSelector=n>2,n<4", "waits"},
      {"labelSelector=tier!=b,tier==a", "waits"},
  };
  for (auto& [query, expected] : rows)
    BOOST_TEST_CONTEXT(query) {
      std::string encoded;
      for (char c : query.substr(query.find('=') + 1)) {
        char hex[4];
        std::snprintf(hex, sizeof hex, "%%%02X", static_cast<unsigned char>(c));
        encoded += hex;
      }
      auto got = get(pods + "?" + query.substr(0, query.find('=') + 1) + encoded);
      std::string names;
      auto list = got.json();
      for (auto& item : list.at("items").as_array())
        names += item.at("metadata").at("name").as_string();
      BOOST_TEST(names == expected);
    }
}

BOOST_AUTO_TEST_CASE(an_expired_page_says_how_to_go_on) {
  for (auto name : {"a", "b", "c", "d"})
    post(pods, pod_text(name));
  auto first = get(pods + "?limit=1");
  auto token = first.at("/metadata/continue");
  // 64 snapshots are kept: each of these lists keeps one more.
  for (int i = 0; i < 70; ++i) {
    patch(pods + "/a", "merge-patch", R"({"metadata":{"labels":{"i":")" + std::to_string(i) + "\"}}}");
    get(pods + "?limit=1");
  }
  send("DELETE", pods + "/b");
  auto expired = get(pods + "?limit=1&continue=" + token);
  BOOST_TEST(expired.status == 410);
  BOOST_TEST(expired.at("/reason") == "Expired");
  BOOST_TEST(expired.at("/message").starts_with("The provided continue parameter is too old"));
  auto rest = get(pods + "?limit=1&continue=" + expired.at("/metadata/continue"));
  BOOST_TEST(rest.status == 200);
  BOOST_TEST(rest.at("/items/0/metadata/name") == "c"); // b is gone: the rest as it is now
  BOOST_TEST(get(pods + "?continue=" + rest.at("/metadata/continue")).at("/items/0/metadata/name") == "d");
}

struct hasty_world : api_world {
  static api::server_settings hasty() {
    api::server_settings out;
    out.page_time = 1ms;
    return out;
  }
  hasty_world() : api_world(nullptr, hasty()) {}
};

// A snapshot that nobody asks for again must not hold what has changed since for ever.
BOOST_FIXTURE_TEST_CASE(pages_are_let_go_after_a_time, hasty_world) {
  for (auto name : {"a", "b"})
    post(pods, pod_text(name));
  auto token = get(pods + "?limit=1").at("/metadata/continue");
  patch(pods + "/a", "merge-patch", R"({"metadata":{"labels":{"x":"1"}}})");
  reply next;
  for (int i = 0; i < 10'000 && next.status != 410; ++i)
    next = get(pods + "?limit=1&continue=" + token);
  BOOST_TEST(next.status == 410, next.body);
}

BOOST_AUTO_TEST_CASE(large_answers_are_compressed_for_who_takes_it) {
  for (auto name : {"a", "b", "c", "d"})
    BOOST_REQUIRE(post(pods, large_pod(name)).status == 201);
  auto plain = get(pods);
  BOOST_TEST(plain.headers.get("Content-Encoding") == "");
  BOOST_TEST(plain.body.size() > api::gzip_from_bytes);
  auto small = send("GET", pods, {}, {{"Accept-Encoding", "gzip"}});
  BOOST_TEST(small.headers.get("Content-Encoding") == "gzip");
  BOOST_TEST(small.headers.get("Vary") == "Accept-Encoding");
  BOOST_TEST(small.body.size() < plain.body.size() / 10);
  BOOST_TEST(gunzip(small.body) == plain.body);
  auto one = send("GET", pods + "/a", {}, {{"Accept-Encoding", "gzip"}});
  BOOST_TEST(one.headers.get("Content-Encoding") == "");
}

BOOST_AUTO_TEST_CASE(accept_encoding) {
  const std::pair<std::string, bool> rows[] = {
      {"", false},         {"gzip", true},      {"deflate, gzip;q=0.5", true},
      {"gzip;q=0", false}, {"identity", false}, {"gzip; q=0.0", false},
      {"GZIP", true},      {"x-gzip2", false},
  };
  for (auto& [header, takes] : rows)
    BOOST_TEST(api::takes_gzip(header) == takes, header);
}

BOOST_AUTO_TEST_CASE(kinds_that_cannot_be_made_have_empty_lists) {
  for (std::string path : {"/api/v1/services", "/api/v1/namespaces/default/services",
                           "/api/v1/namespaces/default/replicationcontrollers", "/api/v1/resourcequotas",
                           "/apis/apps/v1/namespaces/default/deployments", "/apis/apps/v1/daemonsets"})
    BOOST_TEST_CONTEXT(path) {
      auto got = get(path);
      BOOST_TEST(got.status == 200);
      BOOST_TEST(got.json().at("items").as_array().empty());
      BOOST_TEST(got.at("/kind").ends_with("List"));
      BOOST_TEST(post(path, "{}").status == 405);
    }
  // Discovery does not name apps: nobody is to try and make a Deployment.
  BOOST_TEST(get("/apis/apps").status == 404);
  BOOST_TEST(get("/apis/apps/v1").status == 404);
  BOOST_TEST(get("/apis").body.find("\"apps\"") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(deleting_takes_options_as_kubernetes_does) {
  auto made = post(pods, pod_text("p"));
  auto remove = [&](const std::string& options) {
    return send("DELETE", pods + "/p", options, {{"Content-Type", "application/json"}});
  };
  BOOST_TEST(
      remove(R"({"propagationPolicy":"Sideways"})").at("/message")
      == "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: \"Sideways\": "
         "supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"");
  BOOST_TEST(remove(R"({"propagationPolicy":"Orphan","orphanDependents":true})").status == 422);
  auto wrong_uid = remove(R"({"preconditions":{"uid":"x"}})");
  BOOST_TEST(wrong_uid.status == 409);
  BOOST_TEST(wrong_uid.at("/details/kind") == "Pod");
  BOOST_TEST(wrong_uid.at("/message")
             == "Operation cannot be fulfilled on Pod \"p\": the UID in the precondition (x) does not match "
                "the UID in record ("
                    + made.at("/metadata/uid") + "). The object might have been deleted and then recreated");
  // Versions are text: what no object can have fits none.
  for (std::string version : {"1", "abc", "0", "", "99999999999999999999"}) {
    auto refused = remove(R"({"preconditions":{"resourceVersion":")" + version + R"("}})");
    BOOST_TEST(refused.status == 409, version);
    BOOST_TEST(refused.at("/message")
               == "Operation cannot be fulfilled on Pod \"p\": the ResourceVersion in the precondition ("
                      + version + ") does not match the ResourceVersion in record ("
                      + made.at("/metadata/resourceVersion") + "). The object might have been modified");
  }
  post("/api/v1/namespaces", R"({"metadata":{"name":"n"}})");
  auto ns = send("DELETE", "/api/v1/namespaces/n", R"({"preconditions":{"resourceVersion":"abc"}})",
                 {{"Content-Type", "application/json"}});
  BOOST_TEST(ns.status == 409);
  BOOST_TEST(
      ns.at("/message")
          .starts_with(
              "Operation cannot be fulfilled on namespaces \"n\": Precondition failed: ResourceVersion in "
              "precondition: abc, ResourceVersion in object meta: "));
  BOOST_TEST(remove(R"({"dryRun":["All"]})").status == 200);
  BOOST_TEST(remove(R"({"dryRun":["Some"]})").status == 422);
  BOOST_TEST(get(pods + "/p").status == 200);
  auto marked = remove(R"({"propagationPolicy":"Orphan"})");
  BOOST_TEST(marked.status == 200);
  BOOST_TEST(marked.at("/metadata/finalizers/0") == "orphan");
  BOOST_TEST(remove(R"({"propagationPolicy":"Foreground"})").at("/metadata/finalizers/0")
             == "foregroundDeletion");
  BOOST_TEST(remove(R"({"orphanDependents":true})").at("/metadata/finalizers/0") == "orphan");
  BOOST_TEST(get(pods + "/p").at("/metadata/deletionTimestamp") != "");
  BOOST_TEST(remove(R"({"orphanDependents":false})").status == 200);
  BOOST_TEST(get(pods + "/p").status == 404);
  make_running_pod("r");
  auto begun = send("DELETE", pods + "/r?orphanDependents=false");
  BOOST_TEST(begun.status == 202);
  send("DELETE", pods + "/r?gracePeriodSeconds=0");
  for (auto name : {"default", "kube-system"})
    BOOST_TEST(send("DELETE", std::string{"/api/v1/namespaces/"} + name).at("/message")
               == std::string{"namespaces \""} + name + "\" is forbidden: this namespace may not be deleted");
  for (auto [name, labels] : {std::pair{"a", R"({"x":"1"})"}, {"b", R"({"x":"1"})"}, {"c", R"({"x":"2"})"}})
    post(pods, pod_text(name, labels));
  auto gone = send("DELETE", pods + "?labelSelector=x%3D1&fieldSelector=metadata.name!%3Db");
  BOOST_TEST(gone.json().at("items").as_array().size() == 1u);
  BOOST_TEST(get(pods).json().at("items").as_array().size() == 2u);
}

BOOST_AUTO_TEST_SUITE_END()
