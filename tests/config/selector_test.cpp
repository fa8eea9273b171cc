#include "config/selector.hpp"
#include "core/error.hpp"

#include "why.hpp"

#include <boost/test/unit_test.hpp>

using namespace podium;
using namespace podium::config;

namespace {

struct label_row {
  const char* selector;
  const char* labels;
  bool matches;
};

const label_row label_rows[] = {
    {"", R"({"a":"b"})", true},
    {"a=b", R"({"a":"b"})", true},
    {"a==b", R"({"a":"b"})", true},
    {"a=b", R"({"a":"c"})", false},
    {"a=b", "{}", false},
    {"a=", R"({"a":""})", true},
    {"a!=b", R"({"a":"c"})", true},
    {"a!=b", R"({"a":"b"})", false},
    {"a!=b", "{}", true},
    {"a", R"({"a":""})", true},
    {"a", "{}", false},
    {"!a", "{}", true},
    {"! a", R"({"a":"1"})", false},
    {"a in (b,c)", R"({"a":"c"})", true},
    {"a in (b, c)", R"({"a":"d"})", false},
    {"a notin (b,c)", R"({"a":"d"})", true},
    {"a notin (b,c)", "{}", true},
    {"a notin (b)", R"({"a":"b"})", false},
    {"a in ()", R"({"a":""})", true},
    {"a=b,c=d", R"({"a":"b","c":"d"})", true},
    {"a=b,c=d", R"({"a":"b"})", false},
    {" a = b , !c ", R"({"a":"b"})", true},
    {"a>1", R"({"a":"2"})", true},
    {"a>1", R"({"a":"x"})", false},
    {"a<1", R"({"a":"0"})", true},
    {"example.com/x=y", R"({"example.com/x":"y"})", true},
    {"in=x", R"({"in":"x"})", true},
};

struct bad_row {
  const char* selector;
  const char* error;
};

const bad_row bad_labels[] = {
    {"a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"},
    {",a", "unable to parse requirement: found ',', expected: !, identifier, or 'end of string'"},
    {"a,", "unable to parse requirement: found '', expected: identifier after ','"},
    {"a=b=c", "unable to parse requirement: found '=', expected: ',' or 'end of string'"},
    {"a in b", "unable to parse requirement: found 'b', expected: '('"},
    {"a in (b", "unable to parse requirement: found '', expected: ',', ')' or identifier"},
    {"!", "unable to parse requirement: found '', expected: !, identifier, or 'end of string'"},
    {"a>x", "unable to parse requirement: values[0][a]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the "
            "value must be an integer"},
    {"-a=b", "unable to parse requirement: key: Invalid value: \"-a\": name part must consist of"},
    {"a=-b", "unable to parse requirement: values[0][a]: Invalid value: \"-b\": a valid label must be an "
             "empty string"},
};

struct field_row {
  const char* selector;
  bool matches;
};

constexpr const char* pod =
    R"({"metadata":{"name":"p","namespace":"default"},"spec":{"nodeName":"n1","restartPolicy":"Always"},
  "status":{"phase":"Running","podIPs":[{"ip":"10.0.0.1"},{"ip":"fd00::1"}]}})";

const field_row field_rows[] = {
    {"", true},
    {"metadata.name=p", true},
    {"metadata.name==p", true},
    {"metadata.name!=p", false},
    {"metadata.name=q", false},
    {"metadata.namespace=default,status.phase=Running", true},
    {"status.phase!=Succeeded,status.phase!=Failed", true},
    {"spec.nodeName=", false},
    {"spec.nodeName!=", true},
    {"status.nominatedNodeName=", true},
    {"status.podIPs=10.0.0.1\\,fd00::1", true},
    {"spec.hostNetwork=false", true},
};

const bad_row bad_fields[] = {
    {"spec.bogus=1", "field label not supported: spec.bogus"},
    {"metadata.name", "invalid selector: 'metadata.name'; can't understand 'metadata.name'"},
    {"metadata.name=a=b", "invalid field selector: invalid escape sequence or operator in 'a=b'"},
    {"metadata.name=a\\b", "invalid field selector: invalid escape sequence or operator in 'a\\b'"},
};

} // namespace

BOOST_AUTO_TEST_SUITE(selector_suite)

BOOST_AUTO_TEST_CASE(label_selectors) {
  for (const auto& r : label_rows)
    BOOST_TEST_CONTEXT(r.selector << " on " << r.labels) {
      auto selector = parse_label_selector(r.selector);
      BOOST_REQUIRE_MESSAGE(selector, test::why(selector));
      auto labels = json::parse(r.labels);
      BOOST_TEST(selector->matches(&labels.as_object()) == r.matches);
      auto again = parse_label_selector(selector->to_string());
      BOOST_REQUIRE(again);
      BOOST_TEST(again->to_string() == selector->to_string());
      BOOST_TEST(again->matches(&labels.as_object()) == r.matches);
    }
  BOOST_TEST(parse_label_selector("!a")->matches(nullptr));
  BOOST_TEST(parse_label_selector("z=1,a in (c,b)")->to_string() == "a in (b,c),z=1");
}

BOOST_AUTO_TEST_CASE(bad_label_selectors) {
  for (const auto& r : bad_labels)
    BOOST_TEST_CONTEXT(r.selector) {
      auto selector = parse_label_selector(r.selector);
      BOOST_REQUIRE(!selector);
      BOOST_TEST(test::why(selector).starts_with(r.error), test::why(selector));
    }
  BOOST_TEST(!parse_label_selector(std::string(100'000, 'a')));
}

BOOST_AUTO_TEST_CASE(selectors_in_objects) {
  auto selector = read_label_selector(json::parse(
      R"({"matchLabels":{"a":"b"},"matchExpressions":[{"key":"c","operator":"NotIn","values":["d"]},{"key":"e","operator":"Exists"}]})"));
  BOOST_REQUIRE(selector);
  BOOST_TEST(selector->to_string() == "a=b,c!=d,e");
  BOOST_TEST(!read_label_selector(json::parse(R"({"matchExpressions":[{"key":"c","operator":"Like"}]})")));
  BOOST_TEST(!read_label_selector(json::parse(R"({"matchExpressions":[{"key":"c","operator":"In"}]})")));
}

BOOST_AUTO_TEST_CASE(fields) {
  auto object = json::parse(pod);
  for (const auto& r : field_rows)
    BOOST_TEST_CONTEXT(r.selector) {
      auto selector = parse_field_selector("pods", r.selector);
      BOOST_REQUIRE_MESSAGE(selector, test::why(selector));
      BOOST_TEST(selector->matches(object) == r.matches);
    }
  for (const auto& r : bad_fields)
    BOOST_TEST_CONTEXT(r.selector) {
      auto selector = parse_field_selector("pods", r.selector);
      BOOST_REQUIRE(!selector);
      BOOST_TEST(test::why(selector) == r.error);
      BOOST_TEST((code_of(selector.error()) == errc::bad_request));
    }
  auto one = parse_field_selector("pods", "metadata.name=p");
  BOOST_REQUIRE(one->required_value("metadata.name") != nullptr);
  BOOST_TEST(*one->required_value("metadata.name") == "p");
  BOOST_TEST(one->required_value("metadata.namespace") == nullptr);
}

BOOST_AUTO_TEST_CASE(events_are_selected_by_their_object) {
  auto event = json::parse(
      R"({"involvedObject":{"kind":"Pod","name":"p","uid":"u"},"source":{"component":"kubelet"},"type":"Normal"})");
  auto selector =
      parse_field_selector("events", "involvedObject.name=p,involvedObject.uid=u,source=kubelet,type=Normal");
  BOOST_REQUIRE(selector);
  BOOST_TEST(selector->matches(event));
  BOOST_TEST(!parse_field_selector("pods", "involvedObject.name=p"));
  BOOST_TEST(parse_field_selector("leases.coordination.k8s.io", "metadata.name=x").engaged());
  BOOST_TEST(test::why(parse_field_selector("leases.coordination.k8s.io", "spec.x=x"))
             == "\"spec.x\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"");
  for (auto cluster_wide : {"nodes", "namespaces"})
    BOOST_TEST(test::why(parse_field_selector(cluster_wide, "metadata.namespace=x"))
               == "field label not supported: metadata.namespace");
}

BOOST_AUTO_TEST_CASE(an_empty_value_is_printed) {
  auto selector = parse_label_selector("a in (,b),c notin (),d=");
  BOOST_REQUIRE(selector);
  BOOST_TEST(selector->to_string() == "a in (,b),c!=,d=");
}

BOOST_AUTO_TEST_SUITE_END()
