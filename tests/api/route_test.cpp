#include "api/base64.hpp"
#include "api/list_options.hpp"
#include "api/output.hpp"
#include "api/route.hpp"
#include "api/session_protocol.hpp"
#include "api/watch.hpp"
#include "core/error.hpp"

#include <boost/test/unit_test.hpp>

using namespace podium;
using namespace podium::api;

BOOST_AUTO_TEST_SUITE(route_suite)

BOOST_AUTO_TEST_CASE(paths_name_what_they_are_about) {
  struct row {
    std::string_view path;
    route_kind kind;
    std::string_view res, ns, name, sub;
  };
  const row rows[] = {
      {"/api", route_kind::api_versions, "", "", "", ""},
      {"/api/", route_kind::api_versions, "", "", "", ""},
      {"/apis", route_kind::api_groups, "", "", "", ""},
      {"/apis/coordination.k8s.io", route_kind::api_group, "", "", "", ""},
      {"/apis/nope", route_kind::unknown, "", "", "", ""},
      {"/api/v1", route_kind::resource_list, "", "", "", ""},
      {"/api/v2", route_kind::unknown, "", "", "", ""},
      {"/apis/coordination.k8s.io/v1/", route_kind::resource_list, "", "", "", ""},
      {"/api/v1/pods", route_kind::collection, "pods", "", "", ""},
      {"/api/v1/pods/x", route_kind::unknown, "", "", "", ""},
      {"/api/v1/namespaces/default/pods", route_kind::collection, "pods", "default", "", ""},
      {"/api/v1/namespaces/default/pods/", route_kind::collection, "pods", "default", "", ""},
      {"/api/v1/namespaces/de%66ault/pods/p%31", route_kind::object, "pods", "default", "p1", ""},
      {"/api/v1/namespaces/default/pods/p/log", route_kind::subresource, "pods", "default", "p", "log"},
      {"/api/v1/namespaces/default/pods/p/nope", route_kind::unknown, "", "", "", ""},
      {"/api/v1/namespaces/default/pods/p/log/x", route_kind::unknown, "", "", "", ""},
      {"/api/v1/namespaces", route_kind::collection, "namespaces", "", "", ""},
      {"/api/v1/namespaces/kube-system", route_kind::object, "namespaces", "", "kube-system", ""},
      {"/api/v1/namespaces/a/status", route_kind::subresource, "namespaces", "", "a", "status"},
      {"/api/v1/namespaces/a/finalize", route_kind::subresource, "namespaces", "", "a", "finalize"},
      {"/api/v1/namespaces/a/nodes", route_kind::unknown, "", "", "", ""},
      {"/api/v1/nodes/n1/status", route_kind::subresource, "nodes", "", "n1", "status"},
      {"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1", route_kind::object, "leases",
       "kube-node-lease", "n1", ""},
      {"/apis/events.k8s.io/v1/events", route_kind::collection, "events", "", "", ""},
      {"/openapi/v3/apis/events.k8s.io/v1", route_kind::openapi_group, "", "", "", ""},
      {"/openapi/v3", route_kind::openapi_index, "", "", "", ""},
      {"/readyz/ping", route_kind::health, "", "", "", ""},
      {"/api/v1/namespaces/../pods", route_kind::unknown, "", "", "", ""},
      {"/api/v1/namespaces/a%2Fb/pods", route_kind::unknown, "", "", "", ""},
      {"/api/v1/namespaces/a%zz/pods", route_kind::unknown, "", "", "", ""},
      {"/api//v1", route_kind::unknown, "", "", "", ""},
      {"/", route_kind::unknown, "", "", "", ""},
      {"", route_kind::unknown, "", "", "", ""},
  };
  for (auto& r : rows) {
    BOOST_TEST_CONTEXT(r.path) {
      auto to = parse_route(r.path);
      BOOST_TEST((to.kind == r.kind));
      BOOST_TEST((to.res ? to.res->plural : "") == r.res);
      BOOST_TEST(to.ns == r.ns);
      BOOST_TEST(to.name == r.name);
      BOOST_TEST((to.sub ? to.sub->name : "") == r.sub);
    }
  }
}

BOOST_AUTO_TEST_CASE(accept_headers_choose_the_first_known_form) {
  auto form = [](std::string_view accept) {
    http_request r;
    r.headers.add("Accept", accept);
    return negotiate(r).value().form;
  };
  BOOST_TEST(
      (form("application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,"
            "application/json")
       == output_form::table));
  BOOST_TEST((form("application/json") == output_form::object));
  BOOST_TEST((form("") == output_form::object));
  BOOST_TEST((form("application/vnd.kubernetes.protobuf,application/json") == output_form::object));
  BOOST_TEST(
      (form("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1") == output_form::partial));
  BOOST_TEST(
      (form("application/json;as=Table;g=meta.k8s.io;v=v1beta1,application/json") == output_form::object));
  auto v2 = negotiate_discovery(
      "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json");
  BOOST_TEST(v2.aggregated);
  BOOST_TEST(v2.version == "v2");
  BOOST_TEST(!negotiate_discovery("application/json").aggregated);
}

BOOST_AUTO_TEST_CASE(selectors_see_objects_come_and_go) {
  using enum seen_as;
  struct row {
    watch_type type;
    bool before, now;
    seen_as as;
  };
  for (auto& r :
       {row{watch_type::added, false, true, added}, row{watch_type::added, false, false, nothing},
        row{watch_type::modified, true, true, modified}, row{watch_type::modified, false, true, added},
        row{watch_type::modified, true, false, deleted}, row{watch_type::modified, false, false, nothing},
        row{watch_type::deleted, true, false, deleted}, row{watch_type::deleted, false, false, nothing}})
    BOOST_TEST((seen_through(r.type, r.before, r.now) == r.as));
}

BOOST_AUTO_TEST_CASE(page_tokens_survive_the_way) {
  page_token t{12345678901234ULL, "ns", "a-name/ä", 500};
  auto back = page_token::decode(t.encode());
  BOOST_REQUIRE(back.has_value());
  BOOST_TEST(back->resource_version == t.resource_version);
  BOOST_TEST(back->ns == t.ns);
  BOOST_TEST(back->name == t.name);
  BOOST_TEST(back->served == 500u);
  for (auto broken : {"", "!", "e30", "AAAA", "eyJ2IjoicG9kaXVtLzEifQ"})
    BOOST_TEST(!page_token::decode(broken).has_value());
}

BOOST_AUTO_TEST_CASE(base64_as_its_standard_has_it) {
  for (auto [plain, standard, url] :
       std::initializer_list<std::array<std::string_view, 3>>{{"", "", ""},
                                                              {"f", "Zg==", "Zg"},
                                                              {"fo", "Zm8=", "Zm8"},
                                                              {"foo", "Zm9v", "Zm9v"},
                                                              {"\xfb\xff\xfe", "+//+", "-__-"}}) {
    BOOST_TEST(to_base64(plain, base64_form::standard) == standard);
    BOOST_TEST(to_base64(plain, base64_form::url) == url);
    BOOST_TEST(from_base64(standard, base64_form::standard).value_or("none") == plain);
    BOOST_TEST(from_base64(url, base64_form::url).value_or("none") == plain);
  }
  for (auto broken : {"Zg", "Zg=", "Z===", "====", "Zm9v=", "-__-", "Zm 9"})
    BOOST_TEST(!from_base64(broken, base64_form::standard).has_value(), broken);
  for (auto broken : {"Z", "Zg==", "+//+", "Zm9vZ"})
    BOOST_TEST(!from_base64(broken, base64_form::url).has_value(), broken);
}

BOOST_AUTO_TEST_CASE(messages_of_the_channel_protocols) {
  std::string room;
  auto text = channel_protocol_of("base64.channel.k8s.io"),
       v4_text = channel_protocol_of("v4.base64.channel.k8s.io"),
       binary = channel_protocol_of("v5.channel.k8s.io"), none = channel_protocol_of("");
  BOOST_TEST(text.text);
  BOOST_TEST(!text.has_status);
  BOOST_TEST(v4_text.text);
  BOOST_TEST(v4_text.has_status);
  BOOST_TEST(binary.has_status);
  BOOST_TEST(!none.text);
  BOOST_TEST(!none.has_status);
  BOOST_TEST(channel_message(binary, 1, "foo") == "\1foo");
  BOOST_TEST(channel_message(text, 1, "foo") == "1Zm9v");
  BOOST_TEST(binary_message(text, "4Zm9v", room).value_or("none") == "\4foo");
  BOOST_TEST(binary_message(binary, "\4foo", room).value_or("none") == "\4foo");
  for (auto broken : {"", "0Zg", "\1Zm9v"})
    BOOST_TEST(!binary_message(text, broken, room).has_value());
  const std::vector<std::string_view> known{"v5.channel.k8s.io", "base64.channel.k8s.io"};
  BOOST_TEST(choose_channel_protocol("", known).value_or("none") == "");
  BOOST_TEST(choose_channel_protocol("x, base64.channel.k8s.io, v5.channel.k8s.io", known).value_or("none")
             == "base64.channel.k8s.io");
  BOOST_TEST(!choose_channel_protocol("x", known).has_value());
}

BOOST_AUTO_TEST_CASE(frames_and_sizes_of_sessions) {
  BOOST_TEST((parse_frame(std::string_view{"\0abc", 4})->to == channel::stdin_));
  BOOST_TEST(parse_frame(std::string_view{"\0abc", 4})->data == "abc");
  BOOST_TEST((parse_frame(std::string_view{"\xff\0", 2})->to == channel::close));
  BOOST_TEST(!parse_frame("").has_value());
  BOOST_TEST(!parse_frame("\x01x").has_value());
  BOOST_TEST(parse_resize("{\"Width\":80,\"Height\":24}\n")->width == 80);
  for (auto nonsense : {"{\"Width\":0,\"Height\":24}", "{\"Width\":1,\"Height\":1}",
                        "{\"Width\":99999,\"Height\":2}", "{}", "[]", "", "{\"Width\":\"80\",\"Height\":24}"})
    BOOST_TEST(!parse_resize(nonsense).has_value());
  BOOST_TEST(session_status({0, {}}) == R"({"metadata":{},"status":"Success"})");
  BOOST_TEST(
      session_status({3, {}})
      == R"({"metadata":{},"status":"Failure","message":"command terminated with non-zero exit code: exit )"
         R"(status 3","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"3"}]}})");
  BOOST_TEST(session_status({0, make_error(errc::io, "no such file")}).find("\"code\":500")
             != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
