#include "core/utf8.hpp"

#include <boost/test/unit_test.hpp>

using podium::to_utf8;
using podium::utf8_prefix;

BOOST_AUTO_TEST_SUITE(utf8_suite)

BOOST_AUTO_TEST_CASE(what_is_utf8_stays) {
  for (std::string text :
       {"", "a", "plain text of more than eight bytes", "\xC2\xA2\xE2\x82\xAC\xF0\x9F\x90\x8B!",
        "\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF", "\xE0\xA0\x80\xF0\x90\x80\x80"}) {
    BOOST_TEST(utf8_prefix(text) == text.size());
    BOOST_TEST(to_utf8(text) == text);
  }
}

BOOST_AUTO_TEST_CASE(what_is_not_is_replaced_byte_by_byte) {
  const std::string x = "\xEF\xBF\xBD";
  struct {
    std::string text, expected;
  } table[] = {
      {"\xFF\xFE", x + x},
      {"12345678\x80", "12345678" + x},
      {"a\xC3", "a" + x},                  // cut off
      {"a\xE2\x82", "a" + x + x},          // cut off
      {"a\xE2\x82z", "a" + x + x + "z"},   // what follows is kept
      {"\xC0\xAF", x + x},                 // overlong
      {"\xE0\x9F\xBF", x + x + x},         // overlong
      {"\xF0\x8F\xBF\xBF", x + x + x + x}, // overlong
      {"\xED\xA0\x80", x + x + x},         // half of a surrogate pair
      {"\xF4\x90\x80\x80", x + x + x + x}, // beyond U+10FFFF
      {"\xF0\x9F\x90\xC2\xA2", x + x + x + "\xC2\xA2"},
  };
  for (auto& row : table) {
    BOOST_TEST(to_utf8(row.text) == row.expected);
    BOOST_TEST(utf8_prefix(to_utf8(row.text)) == row.expected.size());
  }
}

BOOST_AUTO_TEST_SUITE_END()
