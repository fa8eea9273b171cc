// In what form an answer comes: what a client accepts, and YAML as deep as objects may be, in characters that
// every reader takes.
#include "api/yaml_text.hpp"
#include "api_world.hpp"
#include "config/yaml.hpp"

using namespace podium;
using namespace podium::test;

namespace {

std::string nested(int depth) {
  std::string out;
  for (int i = 0; i < depth; ++i)
    out += R"({"f:a":)";
  return out + "{}" + std::string(static_cast<size_t>(depth), '}');
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(yaml_suite, api_world)

BOOST_AUTO_TEST_CASE(what_no_client_wants_is_not_acceptable) {
  post(pods, pod_text("p", R"({"a":"true","b":"plain"})"));
  auto html = get(pods + "/p", "text/html");
  BOOST_TEST(html.status == 406);
  BOOST_TEST(html.at("/reason") == "NotAcceptable");
  BOOST_TEST(html.at("/message")
             == "only the following media types are accepted: application/json, application/yaml");
  BOOST_TEST(get(pods, "text/html;q=0.9,*/*;q=0.1").status == 200);
  BOOST_TEST(get(pods, "application/vnd.kubernetes.protobuf").headers.get("Content-Type")
             == "application/json");
  auto yaml = get(pods + "/p", "application/yaml");
  BOOST_TEST(yaml.headers.get("Content-Type") == "application/yaml");
  BOOST_TEST(yaml.body.find("\n  labels:\n    a: \"true\"\n    b: plain\n") != std::string::npos, yaml.body);
  BOOST_TEST(yaml.body.find("\n  containers:\n  - image: busybox\n    imagePullPolicy: Always\n")
                 != std::string::npos,
             yaml.body);
  // What it writes it reads.
  auto copy = yaml.body;
  auto again =
      send("PUT", pods + "/p", copy, {{"Content-Type", "application/yaml"}, {"Accept", "application/yaml"}});
  BOOST_TEST(again.body == copy);
  auto none = get(pods + "/none", "application/yaml");
  BOOST_TEST(none.status == 404);
  BOOST_TEST(none.body.find("\nreason: NotFound\n") != std::string::npos, none.body);
  BOOST_TEST(get(pods + "?watch=true", "application/yaml").status == 406);
  auto table = "application/json;as=Table;v=v1;g=meta.k8s.io";
  auto review = [&](const std::string& accept) {
    return send("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                R"({"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1",
                    "spec":{"nonResourceAttributes":{"verb":"get","path":"/"}}})",
                {{"Content-Type", "application/json"}, {"Accept", accept}})
        .status;
  };
  BOOST_TEST(review(table) == 406);
  BOOST_TEST(review(table + std::string{",application/json"}) == 201);
}

BOOST_AUTO_TEST_CASE(what_nests_deep_is_answered_too) {
  const std::string maps = "/api/v1/namespaces/default/configmaps";
  auto body =
      R"({"metadata":{"name":"deep","managedFields":[{"manager":"m","operation":"Update","apiVersion":"v1",)"
      R"("time":"2026-01-02T03:04:05Z","fieldsType":"FieldsV1","fieldsV1":)"
      + nested(85) + "}]}}";
  auto ask = [&](const char* method, const std::string& path, const std::string& text) {
    return send(method, path, text, {{"Content-Type", "application/json"}, {"Accept", "application/yaml"}});
  };
  auto made = ask("POST", maps, body);
  BOOST_TEST(made.status == 201, made.body);
  BOOST_TEST(made.headers.get("Content-Type") == "application/yaml");
  BOOST_TEST(ask("GET", maps + "/deep", "").status == 200);
  BOOST_TEST(ask("GET", maps, "").status == 200);
}

BOOST_AUTO_TEST_CASE(the_best_liked_form_is_taken) {
  struct row {
    const char *accept, *type;
  };
  post(pods, pod_text("p"));
  for (auto& r : {row{"application/yaml;q=0.1, application/json", "application/json"},
                  row{"application/json;q=0.5, application/yaml;q=0.9", "application/yaml"},
                  row{"application/yaml, application/json", "application/yaml"},
                  row{"application/yaml;q=0, */*;q=0.1", "application/json"}})
    BOOST_TEST(get(pods + "/p", r.accept).headers.get("Content-Type") == r.type, r.accept);
}

BOOST_AUTO_TEST_CASE(characters_that_yaml_forbids_are_escaped) {
  struct row {
    const char *text, *written;
  };
  for (auto& r : {
           row{"a\x7f", R"("a\u007f")"},
           row{"\xc2\x80\xc2\x85\xc2\x9f!", R"("\u0080\u0085\u009f!")"},
           row{"\xc2\xa0", "\"\xc2\xa0\""},
           row{"a \xe2\x80\xa8\xe2\x80\xa9", R"("a \u2028\u2029")"},
           row{"\xe2\x80\xa7", "\"\xe2\x80\xa7\""},
           row{"\xef\xbb\xbf\xef\xbf\xbe\xef\xbf\xbf", R"("\ufeff\ufffe\uffff")"},
           row{"\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\""},
       }) {
    auto text = api::to_yaml(json::object{{"key", r.text}});
    BOOST_TEST(text == "key: " + std::string{r.written} + "\n");
    auto again = config::parse_yaml(text, {}, {});
    BOOST_REQUIRE(again);
    BOOST_TEST(again->front().root.at("key").as_string() == r.text);
  }
}

BOOST_AUTO_TEST_SUITE_END()
