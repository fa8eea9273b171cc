#include "config/json.hpp"
#include "config/yaml.hpp"
#include "core/error.hpp"
#include "manifests.hpp"

#include <boost/test/unit_test.hpp>
#include <random>

using namespace podium;
using namespace podium::config;

namespace {

struct scalar_row {
  const char* text;
  const char* json;
};

// What the YAML reader of Kubernetes makes of unquoted scalars.
const scalar_row scalars[] = {
    {"y", "true"},
    {"Yes", "true"},
    {"on", "true"},
    {"true", "true"},
    {"n", "false"},
    {"NO", "false"},
    {"off", "false"},
    {"False", "false"},
    {"~", "null"},
    {"null", "null"},
    {"nULL", "\"nULL\""},
    {"yEs", "\"yEs\""},
    {"0", "0"},
    {"-7", "-7"},
    {"+7", "7"},
    {"0644", "420"},
    {"0o644", "420"},
    {"0x1F", "31"},
    {"0b101", "5"},
    {"1_000", "1000"},
    {"08", "8"},
    {"1.0", "1"},
    {"80.0", "80"},
    {"0.5", "5E-1"},
    {".5", "5E-1"},
    {"1e3", "1000"},
    {"1.", "1"},
    {"-", "\"-\""},
    {"1.2.3", "\"1.2.3\""},
    {"1:30", "\"1:30\""},
    {"2001-01-01", "\"2001-01-01\""},
    {"0xZZ", "\"0xZZ\""},
    {"250m", "\"250m\""},
    {"64Mi", "\"64Mi\""},
    {"1e", "\"1e\""},
    {"busybox", "\"busybox\""},
    {"9223372036854775807", "9223372036854775807"},
    {"18446744073709551615", "18446744073709551615"},
    {"-9223372036854775808", "-9223372036854775808"},
};

struct yaml_row {
  const char* yaml;
  const char* json;
};

const yaml_row good_yaml[] = {
    {"a: 1", R"({"a":1})"},
    {"a: '1'", R"({"a":"1"})"},
    {"a: \"y\"", R"({"a":"y"})"},
    {"a:", R"({"a":null})"},
    {"a: []\nb: {}", R"({"a":[],"b":{}})"},
    {"- x\n- y: 2", R"(["x",{"true":2}])"},
    {"{a: [1, 2], b: {c: d}}", R"({"a":[1,2],"b":{"c":"d"}})"},
    {"a: |\n  x\n  y\n", R"({"a":"x\ny\n"})"},
    {"a: >-\n  x\n  y\n", R"({"a":"x y"})"},
    {"1: a\ntrue: b", R"({"1":"a","true":"b"})"},
    {"a: !!str 5", R"({"a":"5"})"},
    {"a: &x {b: 1}\nc: *x", R"({"a":{"b":1},"c":{"b":1}})"},
    {"d: &d {a: 1, b: 2}\ne:\n  <<: *d\n  b: 3", R"({"d":{"a":1,"b":2},"e":{"b":3,"a":1}})"},
    {"p: &p {a: 1}\nq: &q {a: 2, b: 2}\ne:\n  <<: [*p, *q]",
     R"({"p":{"a":1},"q":{"a":2,"b":2},"e":{"a":1,"b":2}})"},
    {"a: 0644", R"({"a":420})"},
    {"a: # comment\n  b", R"({"a":"b"})"},
    {"\xef\xbb\xbf"
     "a: 1",
     R"({"a":1})"},
    {"a: caf\xc3\xa9", "{\"a\":\"caf\xc3\xa9\"}"},
    {"a: <<", R"({"a":"<<"})"},
};

struct bad_row {
  const char* text;
  const char* error; ///< what the message begins with
};

const bad_row bad_yaml[] = {
    {"a: 1\na: 2", "m.yaml:2:1: key \"a\" already set in map (first on line 1)"},
    {"x:\n  a: 1\n  b: 2\n  a: 3", "m.yaml:4:3: key \"a\" already set in map (first on line 2)"},
    {"a: [1, 2", "m.yaml:1:"},
    {"a: \"x", "m.yaml:1:"},
    {"a: *x", "m.yaml:1:4: the referenced anchor is not defined"},
    {"a: &x [*x]", "m.yaml:1:8: an alias stands inside of what it refers to"},
    {"? [a]\n: b", "m.yaml:1:3: a key must be text, not a map or a list"},
    {"~: b", "m.yaml:1:1: a key is missing in front of the colon"},
    {"a: .nan", "m.yaml:1:4: the number .nan has no place in a Kubernetes object"},
    {"a: !!int x", "m.yaml:1:"},
    {"a: !mine x", "m.yaml:1:"},
    {"a: \xff", "m.yaml:1:4: this byte is not allowed in YAML"},
    {"a: \xc0\x80", "m.yaml:1:4: this byte is not allowed in YAML"},
    {"a: \x01", "m.yaml:1:4: this byte is not allowed in YAML"},
    {"a:\n\t- x", "m.yaml:2:"},
    {"a: b: c", "m.yaml:1:"},
    {"a: 1\n b: 2", "m.yaml:2:"},
    {"e:\n  <<: 5", "m.yaml:2:7: map merge requires map or sequence of maps as the value"},
};

const bad_row bad_json[] = {
    {"{", "m.json:1:2: this is not valid JSON: "},
    {"{\"a\":}", "m.json:1:6: this is not valid JSON: "},
    {"{\n \"a\": 1,\n}", "m.json:3:1: this is not valid JSON: "},
    {"{} x", "m.json:1:"},
    {"{\"a\": \"\xff\"}", "m.json:1:"},
    {"[1, 2", "m.json:1:"},
    {"nul", "m.json:1:"},
    {"{\"a\": 01}", "m.json:1:"},
    {"{'a': 1}", "m.json:1:2: this is not valid JSON: "},
    {"", "m.json:1:1: this is not valid JSON: "},
};

std::string text_of(const caf::expected<std::vector<document>>& result) {
  if (!result) return "error " + message_of(result.error());
  BOOST_REQUIRE(result->size() == 1);
  return json::serialize(result->front().root);
}

} // namespace

BOOST_AUTO_TEST_SUITE(document_suite)

BOOST_AUTO_TEST_CASE(yaml_scalars) {
  for (const auto& row : scalars)
    BOOST_TEST(json::serialize(resolve_scalar(row.text)) == row.json,
               row.text << " is " << json::serialize(resolve_scalar(row.text)));
}

BOOST_AUTO_TEST_CASE(yaml_documents) {
  for (const auto& row : good_yaml)
    BOOST_TEST_CONTEXT(row.yaml) {
      BOOST_TEST(text_of(parse_yaml(row.yaml)) == row.json);
    }
}

BOOST_AUTO_TEST_CASE(yaml_mistakes) {
  for (const auto& row : bad_yaml)
    BOOST_TEST_CONTEXT(row.text) {
      auto result = parse_yaml(row.text, "m.yaml");
      BOOST_REQUIRE(!result);
      auto message = message_of(result.error());
      BOOST_TEST(message.starts_with(row.error), message);
      BOOST_TEST((code_of(result.error()) == errc::bad_request));
    }
}

BOOST_AUTO_TEST_CASE(json_mistakes) {
  for (const auto& row : bad_json)
    BOOST_TEST_CONTEXT(row.text) {
      auto result = parse_json(row.text, "m.json");
      BOOST_REQUIRE(!result);
      auto message = message_of(result.error());
      BOOST_TEST(message.starts_with(row.error), message);
    }
}

BOOST_AUTO_TEST_CASE(streams_of_documents) {
  auto docs = parse_yaml("---\n# nothing\n---\na: 1\n---\n\n---\nb: 2\n...\n");
  BOOST_REQUIRE(docs);
  BOOST_REQUIRE(docs->size() == 2);
  BOOST_TEST(json::serialize((*docs)[1].root) == R"({"b":2})");
  BOOST_TEST(parse_yaml("")->empty());
  BOOST_TEST(parse_yaml("# only a comment\n")->empty());
}

BOOST_AUTO_TEST_CASE(places_in_yaml) {
  auto docs = parse_yaml(test::liveness_exec, "live.yaml");
  BOOST_REQUIRE(docs);
  const auto& doc = docs->front();
  BOOST_TEST(doc.where("spec.containers[0].image") == "live.yaml:10:12");
  BOOST_TEST(doc.where("spec.containers[0].image", true) == "live.yaml:10:5");
  BOOST_TEST(doc.where("spec.containers[0].livenessProbe.periodSeconds") == "live.yaml:21:22");
  BOOST_TEST(doc.where("spec.containers[0].args[2]") == "live.yaml:14:7");
  // What is not there is where its parent is.
  BOOST_TEST(doc.where("spec.containers[0].ports[1].hostPort") == doc.where("spec.containers[0]"));
}

BOOST_AUTO_TEST_CASE(places_in_json) {
  auto doc = parse_json("{\"a\": {\"b\\n\": [1,\n  {\"c\": \"x\"}]},\n \"d\": true}", "m.json");
  BOOST_REQUIRE(doc);
  BOOST_TEST(doc->where("a") == "m.json:1:7");
  BOOST_TEST(doc->where("a.b\n[1].c") == "m.json:2:9");
  BOOST_TEST(doc->where("a.b\n[1].c", true) == "m.json:2:4");
  BOOST_TEST(doc->where("d") == "m.json:3:7");
}

BOOST_AUTO_TEST_CASE(json_duplicates) {
  auto doc = parse_json(R"({"a": 1, "b": [{"c": 1, "c": 2}], "a": 3})", "m.json");
  BOOST_REQUIRE(doc);
  BOOST_TEST(json::serialize(doc->root) == R"({"a":3,"b":[{"c":2}]})");
  BOOST_REQUIRE(doc->duplicates.size() == 2);
  BOOST_TEST(doc->duplicates[0] == "b[0].c");
  BOOST_TEST(doc->duplicates[1] == "a");
  auto file = parse_manifest(R"({"a": 1, "a": 2})", "m.json");
  BOOST_REQUIRE(!file);
  BOOST_TEST(message_of(file.error()) == "m.json:1:10: duplicate field \"a\"");
}

BOOST_AUTO_TEST_CASE(bounds) {
  std::string deep = std::string(101, '[') + std::string(101, ']');
  BOOST_TEST(message_of(parse_yaml(deep, "m").error())
             == "m:1:101: the document is nested deeper than 100 levels");
  BOOST_TEST(!parse_yaml(std::string(1'000'000, '[')));
  BOOST_TEST(!parse_json(std::string(1'000'000, '[')));
  BOOST_TEST(parse_json(std::string(100, '[') + std::string(100, ']')).engaged());
  BOOST_TEST(!parse_json(std::string(101, '[') + std::string(101, ']')));
  // What the place tables hold is bounded: every path repeats the keys above it.
  std::string long_keys, list = "\n";
  for (int i = 0; i < 90; ++i)
    long_keys += std::string(static_cast<size_t>(i), ' ') + std::string(1'000, 'k') + ":\n";
  for (int i = 0; i < 1'000; ++i)
    list += std::string(90, ' ') + "- a\n";
  BOOST_TEST(message_of(parse_yaml(long_keys + list, {}).error()).find("too long") != std::string::npos);
  std::string nested, twice = "{";
  for (int i = 0; i < 90; ++i)
    nested += "{\"" + std::string(10'000, 'k') + "\":";
  for (int i = 0; i < 100'000; ++i)
    twice += "\"a\":1,";
  auto doubled = parse_json(nested + twice + "\"b\":2}" + std::string(90, '}'));
  BOOST_REQUIRE(doubled);
  BOOST_TEST(doubled->duplicates.size() == 1u);
  BOOST_TEST(json_places(*doubled->text).size() < 100u);
  // Values of YAML are counted, in brackets by their look.
  text_limits few;
  few.nodes = 1'000;
  for (auto* item : {"[]", "a", "? a"})
    BOOST_TEST(!parse_yaml(
        "a: [" +
            [&] {
              std::string out;
              for (int i = 0; i < 1'001; ++i)
                out += std::string{item} + ",";
              return out;
            }()
            + "]",
        {}, few));
  std::string lines;
  for (int i = 0; i < 1'001; ++i)
    lines += "- a\n";
  BOOST_TEST(message_of(parse_yaml(lines, {}, few).error()).find("more than 1000 values")
             != std::string::npos);
  BOOST_TEST(parse_yaml(lines.substr(0, 3'000), {}, few).engaged());
  std::string big(3 * 1024 * 1024 + 1, ' ');
  BOOST_TEST((code_of(parse_yaml(big).error()) == errc::too_large));
  BOOST_TEST((code_of(parse_json(big).error()) == errc::too_large));
}

BOOST_AUTO_TEST_CASE(numbers_are_finite) {
  auto zero = parse_json("[0e3333, -0.0e999, 1e-3333]");
  BOOST_REQUIRE(zero);
  for (auto& number : zero->root.as_array())
    BOOST_TEST(number.to_number<double>() == 0);
  BOOST_TEST(!parse_json("1e3333"));
}

BOOST_AUTO_TEST_CASE(alias_bombs) {
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 10; ++i) {
    auto before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 9; ++j)
      bomb += (j == 0 ? "" : ",") + before;
    bomb += "]\n";
  }
  auto result = parse_yaml(bomb);
  BOOST_REQUIRE(!result);
  BOOST_TEST(message_of(result.error()).find("aliases expand to too much") != std::string::npos);
  std::string wide = "a: &a " + std::string(1'000'000, 'x') + "\nb:\n";
  for (int i = 0; i < 100; ++i)
    wide += "- *a\n";
  BOOST_TEST(!parse_yaml(wide));
}

BOOST_AUTO_TEST_CASE(malformed_sample_of_the_document) {
  auto result = parse_yaml(test::restart_policy_malformed, "pod.yaml");
  BOOST_REQUIRE(!result);
  auto message = message_of(result.error());
  BOOST_TEST(message.starts_with("pod.yaml:9:5: "), message);
  BOOST_TEST(message.find("indent") != std::string::npos, message);
}

BOOST_AUTO_TEST_CASE(missing_files) {
  auto result = read_manifest("/nonexistent/pod.yaml");
  BOOST_REQUIRE(!result);
  BOOST_TEST((code_of(result.error()) == errc::not_found));
  BOOST_TEST(message_of(read_manifest("/").error()) == "/: this is a directory");
}

BOOST_AUTO_TEST_SUITE_END()
