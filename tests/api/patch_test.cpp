#include "api/patch.hpp"
#include "core/error.hpp"

#include <boost/test/unit_test.hpp>

using namespace podium;
namespace json = boost::json;

namespace {

std::string strategic(std::string_view before, std::string_view patch, const char* type = "core.v1.Pod") {
  auto out = api::strategic_merge_patch(json::parse(before), json::parse(patch), config::find_type(type));
  return out ? json::serialize(*out) : "error: " + message_of(out.error());
}

std::string by_json_patch(std::string_view before, std::string_view patch) {
  auto out = api::json_patch(json::parse(before), json::parse(patch));
  return out ? json::serialize(*out) : "error: " + message_of(out.error());
}

struct row {
  std::string_view before, patch, after;
};

} // namespace

BOOST_AUTO_TEST_SUITE(patch_suite)

BOOST_AUTO_TEST_CASE(merge_patches) {
  for (auto& r :
       {row{R"({"a":1})", R"({"a":2})", R"({"a":2})"}, row{R"({"a":1,"b":2})", R"({"a":null})", R"({"b":2})"},
        row{R"({"a":{"b":1}})", R"({"a":{"c":2}})", R"({"a":{"b":1,"c":2}})"},
        row{R"({"a":[1,2]})", R"({"a":[3]})", R"({"a":[3]})"},
        row{R"({})", R"({"a":{"b":{"c":null}}})", R"({"a":{"b":{}}})"},
        row{R"({"a":"x"})", R"({"a":{"b":1}})", R"({"a":{"b":1}})"}})
    BOOST_TEST(json::serialize(api::merge_patch(json::parse(r.before), json::parse(r.patch))) == r.after);
}

BOOST_AUTO_TEST_CASE(json_patches) {
  for (auto& r :
       {row{R"({"a":1})", R"([{"op":"replace","path":"/a","value":2}])", R"({"a":2})"},
        row{R"({"a":[1,3]})", R"([{"op":"add","path":"/a/1","value":2}])", R"({"a":[1,2,3]})"},
        row{R"({"a":[1]})", R"([{"op":"add","path":"/a/-","value":2}])", R"({"a":[1,2]})"},
        row{R"({"a":{"x/y":1}})", R"([{"op":"remove","path":"/a/x~1y"}])", R"({"a":{}})"},
        row{R"({"a":1})", R"([{"op":"move","from":"/a","path":"/b"}])", R"({"b":1})"},
        row{R"({"a":1})", R"([{"op":"copy","from":"/a","path":"/b"},{"op":"test","path":"/b","value":1}])",
            R"({"a":1,"b":1})"},
        row{R"({"a":1})", R"([{"op":"test","path":"/a","value":2}])",
            "error: the patch cannot be applied: the test of /a failed"},
        row{R"({"a":1})", R"([{"op":"remove","path":"/b"}])",
            "error: the patch cannot be applied: there is nothing to remove at /b"},
        row{R"({"a":[1]})", R"([{"op":"add","path":"/a/7","value":2}])",
            "error: the patch cannot be applied: there is no place to add /a/7"},
        row{R"({})", R"([{"op":"jump","path":"/b"}])", "error: invalid JSON patch: unknown op \"jump\""},
        row{R"({})", R"({})", "error: invalid JSON patch: a list of operations is expected"}})
    BOOST_TEST(by_json_patch(r.before, r.patch) == r.after);
}

BOOST_AUTO_TEST_CASE(json_patches_do_not_grow_without_limit) {
  // Each copy of the root into itself doubles it: forty of them would not fit into any machine.
  std::string doubling = R"([{"op":"add","path":"/a","value":{}})";
  for (int i = 0; i < 40; ++i)
    doubling += R"(,{"op":"copy","from":"","path":"/a/)" + std::to_string(i) + "\"}";
  BOOST_TEST(by_json_patch(R"({"b":1})", doubling + "]")
             == "error: the patch cannot be applied: its copies add up to more than 3145728 bytes");
  // Each copy into the deepest place doubles the depth, which is the stack's of all that walks the document.
  std::string nesting = "[", path = "/a";
  for (int i = 0; i < 12; ++i, path += path)
    nesting += R"({"op":"copy","from":"","path":")" + path + "\"},";
  nesting.back() = ']';
  BOOST_TEST(by_json_patch(R"({"a":{}})", nesting)
             == "error: the patch cannot be applied: the document would nest too deep");
  std::string adding = "[";
  for (int i = 1; i < 200; ++i) {
    adding += R"({"op":"add","path":")";
    for (int n = 0; n < i; ++n)
      adding += "/a";
    adding += R"(","value":{}},)";
  }
  adding.back() = ']';
  BOOST_TEST(by_json_patch("{}", adding)
             == "error: the patch cannot be applied: the document would nest too deep");
}

BOOST_AUTO_TEST_CASE(a_json_patch_is_stopped_when_it_is_too_much_work) {
  std::string list = R"({"a":[)", moves = "[";
  for (int i = 0; i < 100'000; ++i)
    list += "0,";
  list.back() = ']';
  list += '}';
  auto fill = [&](const std::string& operations) {
    moves = "[";
    for (int i = 0; i < 2'000; ++i)
      moves += operations;
    moves.back() = ']';
    return by_json_patch(list, moves);
  };
  std::string stopped = "error: the JSON patch is too much work: too many operations on large values";
  BOOST_TEST(fill(R"({"op":"move","from":"/a","path":"/b"},{"op":"move","from":"/b","path":"/a"},)")
             == stopped);
  BOOST_TEST(fill(R"({"op":"add","path":"/a/0","value":1},)") == stopped);
}

BOOST_AUTO_TEST_CASE(strategic_patches_merge_lists_by_their_keys) {
  BOOST_TEST(strategic(R"({"spec":{"containers":[{"name":"a","image":"1"},{"name":"b","image":"2"}]}})",
                       R"({"spec":{"containers":[{"name":"b","image":"3"}]}})")
             == R"({"spec":{"containers":[{"name":"a","image":"1"},{"name":"b","image":"3"}]}})");
  BOOST_TEST(strategic(R"({"spec":{"containers":[{"name":"a"},{"name":"b"}]}})",
                       R"({"spec":{"containers":[{"$patch":"delete","name":"a"}]}})")
             == R"({"spec":{"containers":[{"name":"b"}]}})");
  BOOST_TEST(strategic(R"({"spec":{"containers":[{"name":"a"},{"name":"b"}]}})",
                       R"({"spec":{"containers":[{"$patch":"replace"},{"name":"c"}]}})")
             == R"({"spec":{"containers":[{"name":"c"}]}})");
  BOOST_TEST(strategic(R"({"spec":{"containers":[{"name":"a","args":["1","2"]}]}})",
                       R"({"spec":{"containers":[{"name":"a","args":["3"]}]}})")
             == R"({"spec":{"containers":[{"name":"a","args":["3"]}]}})");
  BOOST_TEST(strategic(R"({"spec":{}})", R"({"spec":{"containers":[{"image":"x"}]}})")
             == "error: an item of containers does not contain declared merge key: name");
  BOOST_TEST(strategic(R"({"status":{"conditions":[{"type":"Ready","status":"False"}]}})",
                       R"({"status":{"conditions":[{"type":"Ready","status":"True"}]}})")
             == R"({"status":{"conditions":[{"type":"Ready","status":"True"}]}})");
}

BOOST_AUTO_TEST_CASE(strategic_directives) {
  BOOST_TEST(strategic(R"({"metadata":{"labels":{"a":"1","b":"2"}}})",
                       R"({"metadata":{"labels":{"a":null,"c":"3"}}})")
             == R"({"metadata":{"labels":{"b":"2","c":"3"}}})");
  BOOST_TEST(strategic(R"({"metadata":{"labels":{"a":"1"}}})",
                       R"({"metadata":{"labels":{"$patch":"replace","x":"y"}}})")
             == R"({"metadata":{"labels":{"x":"y"}}})");
  BOOST_TEST(strategic(R"({"metadata":{"finalizers":["a","b"]}})",
                       R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["a"]}})")
             == R"({"metadata":{"finalizers":["b"]}})");
  BOOST_TEST(strategic(R"({"metadata":{"finalizers":["a"]}})", R"({"metadata":{"finalizers":["b","a"]}})")
             == R"({"metadata":{"finalizers":["a","b"]}})");
  BOOST_TEST(strategic(R"({"spec":{"containers":[{"name":"a"},{"name":"b"},{"name":"s"}]}})",
                       R"({"spec":{"$setElementOrder/containers":[{"name":"b"},{"name":"a"}],)"
                       R"("containers":[{"name":"a","image":"x"}]}})")
             == R"({"spec":{"containers":[{"name":"b"},{"name":"a","image":"x"},{"name":"s"}]}})");
  BOOST_TEST(
      strategic(
          R"({"spec":{"volumes":[{"name":"v","emptyDir":{}}]}})",
          R"({"spec":{"volumes":[{"$retainKeys":["name","hostPath"],"name":"v","hostPath":{"path":"/x"}}]}})")
      == R"({"spec":{"volumes":[{"name":"v","hostPath":{"path":"/x"}}]}})");
  BOOST_TEST(
      strategic(R"({"spec":{}})", R"({"spec":{"$patch":"smash"}})").starts_with("error: Unknown patch type"));
  BOOST_TEST(
      strategic(R"({"spec":{"unschedulable":true}})", R"({"spec":{"unschedulable":null}})", "core.v1.Node")
      == R"({"spec":{}})");
}

BOOST_AUTO_TEST_CASE(strategic_patches_do_not_search_without_limit) {
  std::string names = "[", items = "[";
  for (int n = 0; n < 10'000; ++n) {
    names += "\"f" + std::to_string(n) + "\",";
    items += R"({"name":"c)" + std::to_string(n) + "\"},";
  }
  names.back() = items.back() = ']';
  constexpr auto too_long = "error: the lists of the patch and the object are too long to be merged";
  BOOST_TEST(strategic("{}", R"({"metadata":{"finalizers":)" + names + "}}") == too_long);
  BOOST_TEST(strategic("{}", R"({"spec":{"containers":)" + items + "}}") == too_long);
  BOOST_TEST(strategic(R"({"spec":{"containers":)" + items + "}}",
                       R"({"spec":{"$setElementOrder/containers":)" + items + "}}")
             == too_long);
}

BOOST_AUTO_TEST_SUITE_END()
