#include "runtime/http/message.hpp"

#include <boost/test/unit_test.hpp>

using namespace podium;

BOOST_AUTO_TEST_SUITE(http_message)

BOOST_AUTO_TEST_CASE(percent_decoding) {
  BOOST_TEST(percent_decode("/a%20b%2Fc+d").value() == "/a b/c+d");
  BOOST_TEST(percent_decode("a+b%2b", true).value() == "a b+");
  for (auto broken : {"%", "%2", "%zz", "a%2"})
    BOOST_TEST(!percent_decode(broken).has_value(), broken);
}

BOOST_AUTO_TEST_CASE(query_parsing) {
  auto q = http_query::parse("command=sh&command=-c&watch=True&empty=&name=metadata.name%3Dx&&flag").value();
  BOOST_TEST(q.get_all("command").size() == 2u);
  BOOST_TEST(q.get("command").value() == "sh");
  BOOST_TEST(q.get("name").value() == "metadata.name=x");
  BOOST_TEST(q.get("empty").value() == "");
  BOOST_TEST(q.has("flag"));
  BOOST_TEST(!q.has("absent"));
  BOOST_TEST(q.flag("watch"));
  BOOST_TEST(!q.flag("name"));
  BOOST_TEST(!http_query::parse("a=%g0").has_value());
}

BOOST_AUTO_TEST_CASE(go_booleans) {
  for (auto yes : {"1", "t", "T", "true", "TRUE", "True"})
    BOOST_TEST(parse_go_bool(yes).value());
  for (auto no : {"0", "f", "F", "false", "FALSE", "False"})
    BOOST_TEST(!parse_go_bool(no).value());
  for (auto bad : {"", "yes", "tRUE", "2"})
    BOOST_TEST(!parse_go_bool(bad).has_value());
}

BOOST_AUTO_TEST_CASE(header_lookup_ignores_case_and_keeps_order) {
  http_headers h;
  h.add("Accept", "a");
  h.add("X-Stream-Protocol-Version", "v5");
  h.add("x-stream-protocol-version", "v4");
  BOOST_TEST(h.get("ACCEPT") == "a");
  BOOST_TEST(h.get("absent") == "");
  BOOST_TEST(!h.find("absent").has_value());
  auto all = h.get_all("X-Stream-Protocol-Version");
  BOOST_TEST(all.size() == 2u);
  BOOST_TEST(all[1] == "v4");
}

BOOST_AUTO_TEST_CASE(token_lists) {
  BOOST_TEST(has_token("keep-alive, Upgrade", "upgrade"));
  BOOST_TEST(!has_token("upgraded", "upgrade"));
  BOOST_TEST(split_list(" a , ,b").size() == 2u);
}

BOOST_AUTO_TEST_SUITE_END()
