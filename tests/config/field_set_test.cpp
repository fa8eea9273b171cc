#include "config/field_set.hpp"
#include "config/field_walk.hpp"
#include "core/error.hpp"

#include <boost/test/unit_test.hpp>

using namespace podium;
using namespace podium::config;
namespace json = boost::json;

namespace {

const schema_type& pod_type() {
  return *find_type("core.v1.Pod");
}

field_set set_of(std::string_view fields) {
  auto out = parse_fields_v1(json::parse(fields));
  BOOST_REQUIRE(out);
  return *out;
}

std::string text(const field_set& set) {
  return json::serialize(to_fields_v1(set));
}

std::string paths(const field_set& set) {
  std::string out;
  each_path(set, [&](const std::string& path) { out += (out.empty() ? "" : " ") + path; });
  return out;
}

struct pair_row {
  std::string_view a, b, unite, intersect, subtract, subtract_trees;
};

struct fields_row {
  std::string_view document, fields;
};

struct compare_row {
  std::string_view before, after, added, removed, modified;
};

struct merge_row {
  std::string_view live, given, merged;
};

} // namespace

BOOST_AUTO_TEST_SUITE(field_set_suite)

BOOST_AUTO_TEST_CASE(sets_are_read_and_written_as_fields_v1) {
  // What is not in Kubernetes' order comes out in it.
  for (
      auto [in, out] : std::initializer_list<std::pair<std::string_view, std::string_view>>{
          {"{}", "{}"},
          {R"({"f:b":{},"f:a":{}})", R"({"f:a":{},"f:b":{}})"},
          {R"({"f:a":{"f:b":{},".":{}}})", R"({"f:a":{".":{},"f:b":{}}})"},
          {R"({"f:l":{"k:{\"protocol\":\"TCP\",\"containerPort\":443}":{},"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{}}}})",
           R"({"f:l":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{},"k:{\"containerPort\":443,\"protocol\":\"TCP\"}":{}}})"},
          {R"({"i:2":{},"v:\"x\"":{},"f:z":{},"k:{\"name\":\"a\"}":{}})",
           R"({"f:z":{},"k:{\"name\":\"a\"}":{},"v:\"x\"":{},"i:2":{}})"},
          {R"({"q:later":{},"f:a":{}})", R"({"f:a":{}})"}})
    BOOST_TEST(text(set_of(in)) == out);
}

BOOST_AUTO_TEST_CASE(what_is_no_set_is_refused) {
  for (auto in :
       {"[]", R"({"f":{}})", R"({"f:a":1})", R"({"k:{":{}})", R"({"k:{}":{}})", R"({"k:{\"a\":[]}":{}})",
        R"({"v:":{}})", R"({"i:x":{}})", R"({"i:\"1\"":{}})", R"({"":{}})"})
    BOOST_TEST(!parse_fields_v1(json::parse(in)), in);
}

BOOST_AUTO_TEST_CASE(operations) {
  for (auto& r : {
           pair_row{R"({"f:a":{},"f:b":{}})", R"({"f:b":{},"f:c":{}})", R"({"f:a":{},"f:b":{},"f:c":{}})",
                    R"({"f:b":{}})", R"({"f:a":{}})", R"({"f:a":{}})"},
           pair_row{R"({"f:a":{".":{},"f:x":{}}})", R"({"f:a":{}})", R"({"f:a":{".":{},"f:x":{}}})",
                    R"({"f:a":{}})", R"({"f:a":{"f:x":{}}})", "{}"},
           pair_row{R"({"f:a":{"f:x":{}}})", R"({"f:a":{"f:x":{"f:deep":{}}}})",
                    R"({"f:a":{"f:x":{".":{},"f:deep":{}}}})", "{}", R"({"f:a":{"f:x":{}}})",
                    R"({"f:a":{"f:x":{}}})"},
           pair_row{"{}", R"({"f:a":{}})", R"({"f:a":{}})", "{}", "{}", "{}"},
       }) {
    auto a = set_of(r.a), b = set_of(r.b), both = a;
    unite(both, b);
    BOOST_TEST(text(both) == r.unite);
    BOOST_TEST(text(intersect(a, b)) == r.intersect);
    BOOST_TEST(text(intersect(b, a)) == r.intersect);
    BOOST_TEST(text(subtract(a, b)) == r.subtract);
    BOOST_TEST(text(subtract_trees(a, b)) == r.subtract_trees);
  }
}

BOOST_AUTO_TEST_CASE(paths_are_written_for_people) {
  BOOST_TEST(
      paths(set_of(R"({"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:image":{},"f:ports":{
    "k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{}}}},"f:x":{}},"f:metadata":{"f:finalizers":{"v:\"f\"":{}}}})"))
      == R"(.metadata.finalizers[="f"] .spec.x .spec.containers[name="a"] .spec.containers[name="a"].image )"
         R"(.spec.containers[name="a"].ports[containerPort=80,protocol="TCP"])");
  BOOST_TEST(text(make_field_set({"metadata.name", "metadata", "status"}))
             == R"({"f:metadata":{".":{},"f:name":{}},"f:status":{}})");
}

BOOST_AUTO_TEST_CASE(fields_of_documents) {
  for (
      auto& r : {
          fields_row{R"({"kind":"Pod","metadata":{"name":"p","labels":{"a":"1"}}})",
                     R"({"f:kind":{},"f:metadata":{"f:labels":{"f:a":{}},"f:name":{}}})"},
          fields_row{
              R"({"spec":{"containers":[{"name":"a","image":"x","args":["1"],"ports":[{"containerPort":80}]}]}})",
              R"({"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:args":{},"f:image":{},"f:name":{},)"
              R"("f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}}}}}})"},
          // Atomic: lists, maps and types; empty and null values are fields.
          fields_row{
              R"({"spec":{"tolerations":[{"key":"a"}],"nodeSelector":{"a":"b"},"volumes":[{"name":"v","emptyDir":{}}],)"
              R"("securityContext":{},"dnsPolicy":null}})",
              R"({"f:spec":{"f:dnsPolicy":{},"f:nodeSelector":{},"f:securityContext":{},"f:tolerations":{},)"
              R"("f:volumes":{"k:{\"name\":\"v\"}":{".":{},"f:emptyDir":{},"f:name":{}}}}})"},
          fields_row{
              R"({"spec":{"imagePullSecrets":[{"name":"s"}],"containers":[{"name":"a","env":[{"name":"E","valueFrom":{)"
              R"("secretKeyRef":{"name":"s","key":"k"}}}]}]}})",
              R"({"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:env":{"k:{\"name\":\"E\"}":{".":{},"f:name":{},)"
              R"("f:valueFrom":{"f:secretKeyRef":{}}}},"f:name":{}}},"f:imagePullSecrets":{"k:{\"name\":\"s\"}":{}}}})"},
          fields_row{
              R"({"metadata":{"finalizers":["x","y"],"ownerReferences":[{"uid":"u","name":"n"}]}})",
              R"({"f:metadata":{"f:finalizers":{"v:\"x\"":{},"v:\"y\"":{}},"f:ownerReferences":{"k:{\"uid\":\"u\"}":{}}}})"},
          // Items that share a key are one field.
          fields_row{R"({"spec":{"containers":[{"name":"a","image":"1"},{"name":"a","image":"2"}]}})",
                     R"({"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{}}}})"},
          fields_row{R"({"metadata":{"labels":{}},"spec":{"containers":[]}})",
                     R"({"f:metadata":{"f:labels":{}}})"},
      })
    BOOST_TEST(text(fields_of(json::parse(r.document), pod_type())) == r.fields);
}

BOOST_AUTO_TEST_CASE(comparisons) {
  for (auto& r : {
           compare_row{R"({"metadata":{}})", R"({"metadata":{"labels":{"a":"1"}}})",
                       R"({"f:metadata":{"f:labels":{".":{},"f:a":{}}}})", "{}", "{}"},
           compare_row{
               R"({"metadata":{"labels":{"a":"1","b":"2"}}})", R"({"metadata":{"labels":{"a":"9","c":"3"}}})",
               R"({"f:metadata":{"f:labels":{"f:c":{}}}})", R"({"f:metadata":{"f:labels":{"f:b":{}}}})",
               R"({"f:metadata":{"f:labels":{"f:a":{}}}})"},
           compare_row{R"({"spec":{"containers":[{"name":"a","image":"1"},{"name":"b"}]}})",
                       R"({"spec":{"containers":[{"name":"b"},{"name":"a","image":"2"}]}})", "{}", "{}",
                       R"({"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{"f:image":{}}}}})"},
           compare_row{R"({"spec":{"tolerations":[{"key":"a"}]}})",
                       R"({"spec":{"tolerations":[{"key":"b"}]}})", "{}", "{}",
                       R"({"f:spec":{"f:tolerations":{}}})"},
           compare_row{R"({"metadata":{"finalizers":["a","b"]}})",
                       R"({"metadata":{"finalizers":["b","a","c"]}})",
                       R"({"f:metadata":{"f:finalizers":{"v:\"c\"":{}}}})", "{}", "{}"},
           // An empty value is a field; one that becomes empty only loses its fields.
           compare_row{R"({"spec":{}})", R"({"spec":{"securityContext":{}}})",
                       R"({"f:spec":{"f:securityContext":{}}})", "{}", "{}"},
           compare_row{R"({"metadata":{"labels":{"a":"1"}}})", R"({"metadata":{"labels":{}}})", "{}",
                       R"({"f:metadata":{"f:labels":{"f:a":{}}}})", "{}"},
           compare_row{R"({"spec":{"containers":[{"name":"a"},{"name":"a"}]}})",
                       R"({"spec":{"containers":[{"name":"a"}]}})",
                       R"({"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:name":{}}}}})",
                       R"({"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{}}}})", "{}"},
       }) {
    auto c = compare(json::parse(r.before), json::parse(r.after), pod_type());
    BOOST_TEST(text(c.added) == r.added);
    BOOST_TEST(text(c.removed) == r.removed);
    BOOST_TEST(text(c.modified) == r.modified);
    auto same = json::parse(r.after);
    BOOST_TEST(compare(same, same, pod_type()).empty());
  }
}

BOOST_AUTO_TEST_CASE(merging_a_configuration) {
  for (
      auto& r : {
          merge_row{R"({"metadata":{"labels":{"a":"1"}}})", R"({"metadata":{"labels":{"b":"2"}}})",
                    R"({"metadata":{"labels":{"a":"1","b":"2"}}})"},
          merge_row{R"({"spec":{"containers":[{"name":"a","image":"1","tty":true}]}})",
                    R"({"spec":{"containers":[{"name":"a","image":"2"}]}})",
                    R"({"spec":{"containers":[{"name":"a","image":"2","tty":true}]}})"},
          merge_row{R"({"spec":{"nodeSelector":{"a":"1"}}})", R"({"spec":{"nodeSelector":{"b":"2"}}})",
                    R"({"spec":{"nodeSelector":{"b":"2"}}})"},
          merge_row{R"({"spec":{"dnsPolicy":"Default","volumes":[{"name":"v"}]}})",
                    R"({"spec":{"dnsPolicy":null,"volumes":null}})",
                    R"({"spec":{"dnsPolicy":null,"volumes":[{"name":"v"}]}})"},
          // The order of items.
          merge_row{R"({"metadata":{"finalizers":["a","s","b"]}})",
                    R"({"metadata":{"finalizers":["a","n","b"]}})",
                    R"({"metadata":{"finalizers":["a","s","n","b"]}})"},
          merge_row{R"({"metadata":{"finalizers":["a","b","c"]}})",
                    R"({"metadata":{"finalizers":["c","a"]}})",
                    R"({"metadata":{"finalizers":["b","c","a"]}})"},
          merge_row{R"({"metadata":{"finalizers":["s","a"]}})",
                    R"({"metadata":{"finalizers":["x","a","y"]}})",
                    R"({"metadata":{"finalizers":["s","x","a","y"]}})"},
          merge_row{
              R"({"spec":{"containers":[{"name":"a","env":[{"name":"E","value":"1"},{"name":"E","value":"2"}]}]}})",
              R"({"spec":{"containers":[{"name":"a","env":[{"name":"E","value":"3"}]}]}})",
              R"({"spec":{"containers":[{"name":"a","env":[{"name":"E","value":"3"}]}]}})"},
      })
    BOOST_TEST(json::serialize(merge_applied(json::parse(r.live), json::parse(r.given), pod_type()))
               == r.merged);
}

BOOST_AUTO_TEST_CASE(removing_fields) {
  auto document =
      json::parse(R"({"metadata":{"labels":{"a":"1","b":"2"}},"spec":{"containers":[{"name":"a","image":"x"},
    {"name":"b"}],"tolerations":[{"key":"k"}]}})");
  for (auto [set, left] : std::initializer_list<std::pair<std::string_view, std::string_view>>{
           {R"({"f:metadata":{"f:labels":{"f:a":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"b\"}":{},)"
            R"("k:{\"name\":\"a\"}":{"f:image":{}}},"f:tolerations":{}}})",
            R"({"metadata":{"labels":{"b":"2"}},"spec":{"containers":[{"name":"a"}]}})"},
           {R"({"f:metadata":{"f:labels":{"f:a":{},"f:b":{}}},"f:spec":{}})",
            R"({"metadata":{"labels":null}})"},
       })
    BOOST_TEST(json::serialize(remove_fields(document, set_of(set), pod_type())) == left);
}

BOOST_AUTO_TEST_CASE(declared_members_are_named_entries_and_items_are_not) {
  BOOST_TEST(
      text(with_named_fields(
          set_of(
              R"({"f:metadata":{"f:labels":{"f:a":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{"f:image":{}}}}})"),
          pod_type()))
      == R"({"f:metadata":{".":{},"f:labels":{".":{},"f:a":{}}},"f:spec":{".":{},"f:containers":{".":{},)"
         R"("k:{\"name\":\"a\"}":{"f:image":{}}}}})");
}

BOOST_AUTO_TEST_CASE(what_is_no_configuration) {
  for (auto [in, problem] : std::initializer_list<std::pair<std::string_view, std::string_view>>{
           {R"({"kind":"Pod","apiVersion":"v1","metadata":{"labels":{"any":"thing"}}})", ""},
           {R"({"spec":{"bogus":1}})", ".spec.bogus: field not declared in schema"},
           {R"({"spec":{"containers":[{"name":"a","kind":"x"}]}})",
            ".spec.containers[name=\"a\"].kind: field not declared in schema"},
           {R"({"spec":{"containers":{}}})", ".spec.containers: expected list, got &{map[]}"},
           {R"({"spec":{"containers":[{"name":"a","env":[{"name":"E","value":8080}]}]}})",
            ".spec.containers[name=\"a\"].env[name=\"E\"].value: expected string, got "
            "&value.valueUnstructured{Value:8080}"},
           {R"({"spec":{"containers":[{"name":"a"},{"name":"a"}]}})",
            ".spec.containers: duplicate entries for key [name=\"a\"]"},
           {R"({"spec":{"containers":[{"image":"a"}]}})",
            ".spec.containers: element 0: associative list with keys has an element that omits key field "
            "\"name\" (and "
            "doesn't have default value)"},
           {R"({"metadata":{"labels":[]}})", ".metadata.labels: expected map, got &{[]}"},
           {R"({"metadata":{"finalizers":[{}]}})", ".metadata.finalizers: element 0: associative list "
                                                   "without keys has an element that's a map type"},
           {R"({"spec":{"tolerations":[{"bogus":true}]}})",
            ".spec.tolerations[0].bogus: field not declared in schema"},
       }) {
    auto found = configuration_problems(json::parse(in), pod_type());
    BOOST_TEST(found.size() == (problem.empty() ? 0u : 1u), in);
    if (!found.empty()) BOOST_TEST(found.front() == problem);
  }
}

BOOST_AUTO_TEST_SUITE_END()
