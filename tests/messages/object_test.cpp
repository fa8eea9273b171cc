#include "messages/object.hpp"

#include "messages/pod.hpp"

#include <boost/test/unit_test.hpp>

using namespace podium;
namespace json = boost::json;

BOOST_AUTO_TEST_SUITE(object_suite)

// Any container may write any bytes as its last words; nobody may lose the pod for it, nor end over it.
BOOST_AUTO_TEST_CASE(bytes_that_are_no_text_do_not_make_the_document_unreadable) {
  json::value document{{"kind", "Pod"},
                       {"metadata", {{"name", "p"}, {"labels", {{"a", "\xFF"}}}}},
                       {"status", {{"phase", "Failed"}, {"message", "cut \xE2\x82"}}}};
  object made{{"pods", "default", "p"}, 7, std::move(document)};
  auto again = made.document();
  BOOST_REQUIRE(again.is_object());
  BOOST_TEST(again.at_pointer("/status/message").as_string() == "cut \xEF\xBF\xBD\xEF\xBF\xBD");
  BOOST_TEST(again.at_pointer("/metadata/resourceVersion").as_string() == "7");
  BOOST_TEST(made.meta().labels.at("a") == "\xEF\xBF\xBD");
  BOOST_TEST(made.as_pod().status.phase == "Failed");
}

BOOST_AUTO_TEST_SUITE_END()
