#include "api/token_file.hpp"
#include "tests/api/api_world.hpp"

#include <fstream>
#include <sys/stat.h>

using namespace podium;
using namespace podium::test;
using api::access_policy;
using api::bearer_token;
using api::request_attributes;
using api::user_info;

namespace {

http_request request(const std::string& method, const std::string& path, const std::string& query = {}) {
  http_request out;
  out.method = method;
  out.path = out.raw_path = path;
  out.query = *http_query::parse(query);
  return out;
}

/// "list pods/log.apps in ns/name", or "get /path".
std::string shown(const request_attributes& a) {
  if (!a.about_resource()) return a.verb + " " + a.path;
  auto out = a.verb + " " + a.resource;
  if (!a.subresource.empty()) out += "/" + a.subresource;
  if (!a.group.empty()) out += "." + a.group;
  return out + " in " + a.ns + "/" + a.name;
}

std::vector<access_policy::rule> some_rules() {
  access_policy::rule read{.users = {"jane"},
                           .groups = {"readers"},
                           .verbs = {"get", "list", "watch"},
                           .api_groups = {""},
                           .resources = {"pods", "pods/log"},
                           .namespaces = {"default", "team"}};
  access_policy::rule one{.users = {"jane"},
                          .verbs = {"delete"},
                          .api_groups = {""},
                          .resources = {"pods"},
                          .resource_names = {"mine"}};
  access_policy::rule status{
      .groups = {"agents"}, .verbs = {"*"}, .api_groups = {"*"}, .resources = {"*/status"}};
  access_policy::rule paths{
      .users = {"prometheus"}, .verbs = {"get"}, .non_resource_urls = {"/metrics", "/logs/*"}};
  access_policy::rule as{
      .users = {"proxy"}, .verbs = {"impersonate"}, .api_groups = {""}, .resources = {"users"}};
  access_policy::rule patch{
      .users = {"patcher"}, .verbs = {"patch"}, .api_groups = {""}, .resources = {"pods"}};
  return {read, one, status, paths, as, patch};
}

api::server_settings with_rules() {
  api::server_settings out;
  out.access = std::make_shared<access_policy>(some_rules());
  out.find_token = [](std::string_view token) -> std::optional<user_info> {
    if (token != "secret") return {};
    return user_info{"jane", "7", {"readers"}, {}};
  };
  return out;
}

/// Requests of whoever is named, by way of tester, who may take every name.
struct access_world : api_world {
  access_world() : api_world(nullptr, with_rules()) {}
  reply as(const std::string& user, const std::string& method, const std::string& path,
           const std::string& body = {}, header_list more = {}) {
    header_list headers{{"Impersonate-User", user}, {"Content-Type", "application/json"}};
    headers.insert(headers.end(), more.begin(), more.end());
    return send(method, path, body, headers);
  }
  reply review(const std::string& user, const std::string& group, const std::string& plural,
               const std::string& kind, const std::string& spec) {
    return as(user, "POST", "/apis/" + group + "/v1/" + plural,
              R"({"kind":")" + kind + R"(","apiVersion":")" + group + R"(/v1","spec":)" + spec + "}");
  }
};

constexpr auto authorization = "authorization.k8s.io", authentication = "authentication.k8s.io";

} // namespace

BOOST_AUTO_TEST_SUITE(access_suite)

BOOST_AUTO_TEST_CASE(requests_are_read_as_kubernetes_does) {
  struct row {
    http_request request;
    std::string expected;
  };
  const row rows[] = {
      {request("GET", "/api/v1/pods"), "list pods in /"},
      {request("GET", "/api/v1/namespaces/a/pods/x"), "get pods in a/x"},
      {request("GET", "/api/v1/namespaces/a/pods", "watch=1"), "watch pods in a/"},
      {request("GET", "/api/v1/namespaces/a/pods", "fieldSelector=metadata.name%3Dx"), "list pods in a/x"},
      {request("GET", "/api/v1/namespaces/a/pods", "fieldSelector=metadata.name%3Dx,spec.nodeName%3Dn"),
       "list pods in a/"},
      {request("DELETE", "/api/v1/namespaces/a/pods"), "deletecollection pods in a/"},
      {request("POST", "/api/v1/namespaces/a/pods/x/exec"), "create pods/exec in a/x"},
      {request("GET", "/api/v1/namespaces/a"), "get namespaces in a/a"},
      {request("PUT", "/api/v1/namespaces/a/finalize"), "update namespaces/finalize in a/a"},
      {request("GET", "/api/v1/namespaces"), "list namespaces in /"},
      {request("PATCH", "/apis/apps/v1/namespaces/a/deployments/d"), "patch deployments.apps in a/d"},
      {request("GET", "/apis/nope/v1/things"), "list things.nope in /"},
      {request("GET", "/apis/apps/v1"), "get /apis/apps/v1"},
      {request("POST", "/metrics"), "post /metrics"},
  };
  for (auto& r : rows)
    BOOST_TEST(shown(api::attributes_of(r.request)) == r.expected);
}

BOOST_AUTO_TEST_CASE(rules_allow_what_they_say_and_nothing_else) {
  access_policy policy{some_rules()};
  struct row {
    user_info user;
    http_request request;
    bool allowed;
  };
  const user_info jane{"jane", "", {"system:authenticated"}, {}}, reader{"bob", "", {"readers"}, {}},
      agent{"a", "", {"agents"}, {}}, master{"root", "", {"system:masters"}, {}},
      prometheus{"prometheus", "", {}, {}},
      account{"system:serviceaccount:a:b", "", {"system:serviceaccounts"}, {}};
  const row rows[] = {
      {master, request("DELETE", "/api/v1/nodes/n"), true},
      {master, request("GET", "/whatever"), true},
      {jane, request("GET", "/api/v1/namespaces/default/pods"), true},
      {jane, request("GET", "/api/v1/namespaces/other/pods"), false},
      {jane, request("GET", "/api/v1/pods"), false},
      {jane, request("GET", "/api/v1/namespaces/team/pods/x/log"), true},
      {jane, request("GET", "/api/v1/namespaces/team/pods/x/exec"), false},
      {jane, request("DELETE", "/api/v1/namespaces/any/pods/mine"), true},
      {jane, request("DELETE", "/api/v1/namespaces/any/pods/his"), false},
      {jane, request("GET", "/apis/apps/v1/namespaces/default/pods"), false},
      {jane, request("GET", "/openapi/v3"), true},
      {jane, request("GET", "/apis/apps"), true},
      {jane, request("GET", "/metrics"), false},
      {jane, request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"), true},
      {jane, request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews"), false},
      {reader, request("GET", "/api/v1/namespaces/default/pods", "watch=true"), true},
      {reader, request("GET", "/version"), false}, // the group was not given
      {agent, request("PATCH", "/api/v1/nodes/n/status"), true},
      {agent, request("PATCH", "/api/v1/nodes/n"), false},
      {prometheus, request("GET", "/metrics"), true},
      {prometheus, request("GET", "/logs/a/b"), true},
      {prometheus, request("GET", "/logs"), false},
      {account, request("GET", "/openid/v1/jwks"), true},
      {account, request("GET", "/.well-known/openid-configuration"), true},
      {jane, request("GET", "/openid/v1/jwks"), false},
  };
  for (auto& r : rows)
    BOOST_TEST_CONTEXT(r.user.name << " " << r.request.method << " " << r.request.path)
  BOOST_TEST(policy.allows(r.user, api::attributes_of(r.request)) == r.allowed);
}

BOOST_AUTO_TEST_CASE(bearer_tokens_of_headers_and_of_browsers) {
  auto token_of = [](const header_list& headers, bool upgrade = true) {
    http_request r;
    r.is_upgrade = upgrade;
    if (upgrade) r.headers.add("Upgrade", "websocket");
    for (auto& [name, value] : headers)
      r.headers.add(name, value);
    return bearer_token(r).value_or("none");
  };
  const std::string protocols = "Sec-WebSocket-Protocol", prefix = "base64url.bearer.authorization.k8s.io.";
  BOOST_TEST(token_of({{"Authorization", "bearer secret"}}, false) == "secret");
  BOOST_TEST(token_of({{"Authorization", "Basic secret"}}, false) == "none");
  BOOST_TEST(token_of({{protocols, "v4.channel.k8s.io, " + prefix + "c2VjcmV0"}}) == "secret");
  BOOST_TEST(token_of({{protocols, prefix + "c2VjcmV0, x"}}) == "secret");
  BOOST_TEST(token_of({{protocols, prefix + "c2VjcmV0"}}) == "none");
  BOOST_TEST(token_of({{protocols, prefix + "c2VjcmV0, x, " + prefix + "c2VjcmV0"}}) == "none");
  BOOST_TEST(token_of({{protocols, prefix + "c2VjcmV0=, x"}}) == "none");
  BOOST_TEST(token_of({{protocols, "x, " + prefix + "c2VjcmV0"}}, false) == "none");
}

BOOST_AUTO_TEST_CASE(token_files) {
  auto table =
      api::parse_tokens("# comment\n\nt1,ann,u1,\"a, b\"\r\nt2,bob,u2\nt3,\"say \"\"x\"\", y\",u3,g\n");
  BOOST_REQUIRE(table);
  BOOST_TEST(table->size() == 3u);
  const std::pair<std::string, std::string> wrong[] = {
      {"a,b", "line 1: token,user,uid or token,user,uid,\"group1,group2\" is wanted; there are 2 columns"},
      {"t,u,1\n,u,1", "line 2: the token is empty"},
      {"t,,1", "line 1: the user has no name"},
      {"t,u,1\nt,v,2", "line 2: the token stands there already"},
      {"t,\"u,1", "line 1: a quote does not end"},
      {"t,u,1,a,b",
       "line 1: token,user,uid or token,user,uid,\"group1,group2\" is wanted; there are 5 columns"},
  };
  for (auto& [text, message] : wrong) {
    auto parsed = api::parse_tokens(text);
    BOOST_REQUIRE(!parsed);
    BOOST_TEST(message_of(parsed.error()) == message);
  }
}

BOOST_AUTO_TEST_CASE(a_token_file_is_read_again_when_it_changes) {
  char name[] = "/tmp/podium-tokens-XXXXXX";
  int fd = ::mkstemp(name);
  BOOST_REQUIRE(fd >= 0);
  ::close(fd);
  auto write = [&](const std::string& text, mode_t mode) {
    // Replaced as a whole, as careful tools do: another inode.
    auto next = std::string{name} + ".new";
    std::ofstream{next} << text;
    ::chmod(next.c_str(), mode);
    BOOST_REQUIRE(::rename(next.c_str(), name) == 0);
  };
  write("one,ann,1,\"x,y\"\n", 0600);
  auto file = api::token_file::open(name);
  BOOST_REQUIRE(file);
  auto ann = (*file)->find("one");
  BOOST_REQUIRE(ann);
  BOOST_TEST(ann->name == "ann");
  BOOST_TEST(ann->uid == "1");
  BOOST_TEST(ann->groups.size() == 2u);
  BOOST_TEST(!(*file)->find("two"));
  BOOST_TEST(!(*file)->find(""));
  write("two,bob,2\n", 0600);
  BOOST_TEST(!(*file)->find("one"));
  BOOST_TEST((*file)->find("two")->name == "bob");
  write("two,bob,2\n", 0644);
  BOOST_TEST(!(*file)->find("two"));
  auto open_to_all = api::token_file::open(name);
  BOOST_REQUIRE(!open_to_all);
  BOOST_TEST(message_of(open_to_all.error()).find("can be read by others: chmod 600") != std::string::npos);
  write("two,bob,2\n", 0600);
  BOOST_TEST((*file)->find("two")->name == "bob");
  ::unlink(name);
  BOOST_TEST(!(*file)->find("two"));
}

BOOST_FIXTURE_TEST_CASE(refusals_have_kubernetes_words, access_world) {
  struct row {
    std::string user, method, path, message;
  };
  const std::string in_default = " in the namespace \"default\"";
  const row rows[] = {
      {"u", "GET", pods,
       "pods is forbidden: User \"u\" cannot list resource \"pods\" in API group \"\"" + in_default},
      {"u", "GET", pods + "/x",
       "pods \"x\" is forbidden: User \"u\" cannot get resource \"pods\" in API group \"\"" + in_default},
      {"u", "GET", pods + "?watch=true",
       "pods is forbidden: User \"u\" cannot watch resource \"pods\" in API group \"\"" + in_default},
      {"u", "GET", "/api/v1/pods",
       "pods is forbidden: User \"u\" cannot list resource \"pods\" in API group \"\" at the cluster scope"},
      {"u", "POST", pods + "/x/exec",
       "pods \"x\" is forbidden: User \"u\" cannot create resource \"pods/exec\" in API group \"\""
           + in_default},
      {"u", "GET", "/apis/coordination.k8s.io/v1/leases",
       "leases.coordination.k8s.io is forbidden: User \"u\" cannot list resource \"leases\" in API group "
       "\"coordination.k8s.io\" at the cluster scope"},
      {"u", "GET", "/api/v1/namespaces/default/things",
       "things is forbidden: User \"u\" cannot list resource \"things\" in API group \"\"" + in_default},
      {"u", "GET", "/metrics", "forbidden: User \"u\" cannot get path \"/metrics\""},
  };
  for (auto& r : rows)
    BOOST_TEST_CONTEXT(r.user << " " << r.method << " " << r.path) {
      auto got = as(r.user, r.method, r.path);
      BOOST_TEST(got.status == 403);
      BOOST_TEST(got.at("/reason") == "Forbidden");
      BOOST_TEST(got.at("/message") == r.message);
    }
  BOOST_TEST(as("u", "GET", pods + "/x").at("/details/name") == "x");
  BOOST_TEST(as("jane", "GET", pods).status == 200);
  BOOST_TEST(as("jane", "GET", "/api/v1/namespaces/default/things").status == 403);
  BOOST_TEST(get("/api/v1/namespaces/default/things").status == 404);
  BOOST_TEST(as("u", "GET", "/version").status == 200);
  BOOST_TEST(as("u", "GET", "/apis").status == 200);
}

BOOST_FIXTURE_TEST_CASE(other_names_are_taken_only_with_leave, access_world) {
  auto twice = send("GET", pods, {}, {{"Impersonate-Group", "x"}});
  BOOST_TEST(twice.status == 500);
  post("/api/v1/namespaces/default/pods", pod_text("p"));
  // tester → jane is allowed; jane → … cannot be asked in one request, so her rule is asked by a review.
  auto may = [&](const std::string& user, const std::string& resource) {
    return review(user, authorization, "selfsubjectaccessreviews", "SelfSubjectAccessReview",
                  R"({"resourceAttributes":{"verb":"impersonate","resource":")" + resource
                      + R"(","name":"x"}})")
        .at("/status/allowed");
  };
  BOOST_TEST(may("proxy", "users") == "true");
  BOOST_TEST(may("proxy", "groups") == "false");
  BOOST_TEST(may("jane", "users") == "false");
  auto account =
      as("system:serviceaccount:ns:sa", "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews",
         R"({"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1"})",
         {{"Impersonate-Uid", "u-1"}, {"Impersonate-Extra-Reasons%2Fwhy", "because"}});
  BOOST_TEST(account.at("/status/userInfo/username") == "system:serviceaccount:ns:sa");
  BOOST_TEST(account.at("/status/userInfo/uid") == "u-1");
  BOOST_TEST(account.at("/status/userInfo/groups")
             == R"(["system:serviceaccounts","system:serviceaccounts:ns","system:authenticated"])");
  BOOST_TEST(account.at("/status/userInfo/extra/reasons~1why/0") == "because");
}

BOOST_FIXTURE_TEST_CASE(reviews_answer_for_oneself_and_for_others, access_world) {
  auto can = [&](const std::string& user, const std::string& attributes) {
    auto r = review(user, authorization, "selfsubjectaccessreviews", "SelfSubjectAccessReview",
                    R"({"resourceAttributes":)" + attributes + "}");
    BOOST_TEST(r.status == 201);
    return r.at("/status/allowed");
  };
  BOOST_TEST(can("jane", R"({"verb":"list","resource":"pods","namespace":"default"})") == "true");
  BOOST_TEST(can("jane", R"({"verb":"list","resource":"pods"})") == "false");
  BOOST_TEST(can("jane", R"({"verb":"get","resource":"pods","subresource":"log","namespace":"team"})")
             == "true");
  auto neither = review("jane", authorization, "selfsubjectaccessreviews", "SelfSubjectAccessReview", "{}");
  BOOST_TEST(neither.status == 422);
  BOOST_TEST(neither.at("/details/causes/0/field") == "spec.resourceAttributes");
  auto path = review("prometheus", authorization, "selfsubjectaccessreviews", "SelfSubjectAccessReview",
                     R"({"nonResourceAttributes":{"verb":"get","path":"/metrics"}})");
  BOOST_TEST(path.at("/status/allowed") == "true");
  auto rules = review("jane", authorization, "selfsubjectrulesreviews", "SelfSubjectRulesReview",
                      R"({"namespace":"default"})");
  BOOST_TEST(rules.at("/status/incomplete") == "false");
  BOOST_TEST(rules.at("/status/resourceRules/2/resources") == R"(["pods","pods/log"])");
  BOOST_TEST(rules.at("/status/resourceRules/3/resourceNames/0") == "mine");
  BOOST_TEST(rules.at("/status/nonResourceRules/0/nonResourceURLs/0") == "/api");
  auto elsewhere = review("jane", authorization, "selfsubjectrulesreviews", "SelfSubjectRulesReview",
                          R"({"namespace":"other"})");
  BOOST_TEST(elsewhere.at("/status/resourceRules/2/resourceNames/0") == "mine");
  auto nowhere = review("jane", authorization, "selfsubjectrulesreviews", "SelfSubjectRulesReview", "{}");
  BOOST_TEST(nowhere.at("/message") == "no namespace on request");
  auto of_others = R"({"user":"bob","groups":["readers"],"resourceAttributes":{"verb":"get","resource":"pods",
      "namespace":"team"}})";
  BOOST_TEST(review("jane", authorization, "subjectaccessreviews", "SubjectAccessReview", of_others).status
             == 403);
  auto judged = post("/apis/authorization.k8s.io/v1/subjectaccessreviews",
                     R"({"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1","spec":)"
                         + std::string{of_others} + "}");
  BOOST_TEST(judged.at("/status/allowed") == "true");
  auto local = [&](const std::string& ns, const std::string& spec) {
    return post("/apis/authorization.k8s.io/v1/namespaces/" + ns + "/localsubjectaccessreviews",
                R"({"kind":"LocalSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","spec":)" + spec
                    + "}");
  };
  BOOST_TEST(local("team", of_others).status == 201);
  BOOST_TEST(local("team", of_others).at("/status/allowed") == "true");
  BOOST_TEST(local("team", of_others).at("/metadata/namespace") == "team");
  BOOST_TEST(local("other", of_others).at("/details/causes/0/field") == "spec.resourceAttributes.namespace");
  BOOST_TEST(local("team", R"({"user":"bob","nonResourceAttributes":{"verb":"get","path":"/"}})").status
             == 422);
  auto token = [&](const std::string& text, const std::string& more = "") {
    return post("/apis/authentication.k8s.io/v1/tokenreviews",
                R"({"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":")" + text
                    + "\"" + more + "}}");
  };
  BOOST_TEST(token("secret").at("/status/user/username") == "jane");
  BOOST_TEST(token("secret").at("/status/authenticated") == "true");
  BOOST_TEST(token("secret").at("/status/audiences/0") == "https://kubernetes.default.svc.cluster.local");
  BOOST_TEST(token("other").at("/status/authenticated") == "false");
  auto for_audience = [&](const std::string& name) {
    return token("secret", R"(,"audiences":[")" + name + R"("])");
  };
  BOOST_TEST(for_audience("vault").at("/status/authenticated") == "false");
  auto own = for_audience("https://kubernetes.default.svc.cluster.local");
  BOOST_TEST(own.at("/status/authenticated") == "true");
  BOOST_TEST(own.at("/status/audiences/0") == "https://kubernetes.default.svc.cluster.local");
  BOOST_TEST(token("").status == 400);
  BOOST_TEST(get("/apis/authentication.k8s.io/v1/tokenreviews").status == 405);
}

// Source: withAuthorization in the patch handler.
BOOST_FIXTURE_TEST_CASE(who_may_patch_may_not_therefore_create, access_world) {
  auto apply = [this](const std::string& query) {
    return send(
        "PATCH", pods + "/p?fieldManager=m" + query,
        R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}})",
        {{"Impersonate-User", "patcher"}, {"Content-Type", "application/apply-patch+yaml"}});
  };
  for (auto query : {"", "&dryRun=All"}) {
    auto refused = apply(query);
    BOOST_TEST(refused.status == 403, refused.body);
    BOOST_TEST(
        refused.at("/message")
        == "pods \"p\" is forbidden: User \"patcher\" cannot create resource \"pods\" in API group \"\" in "
           "the namespace \"default\"");
  }
  BOOST_TEST(get(pods + "/p").status == 404);
  BOOST_REQUIRE(post(pods, pod_text("p")).status == 201);
  auto taken = apply("&force=true");
  BOOST_TEST(taken.status == 200, taken.body);
}

BOOST_AUTO_TEST_SUITE_END()
