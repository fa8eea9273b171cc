// What is answered as YAML: as deep as objects may be, and in characters that every reader takes.
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
