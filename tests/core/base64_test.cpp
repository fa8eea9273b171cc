#include "core/base64.hpp"

#include <boost/test/unit_test.hpp>

using namespace podium;

BOOST_AUTO_TEST_SUITE(base64_suite)

// The vectors of RFC 4648, section 10.
BOOST_AUTO_TEST_CASE(vectors_both_ways) {
  const std::pair<const char*, const char*> rows[] = {{"", ""},
                                                      {"f", "Zg=="},
                                                      {"fo", "Zm8="},
                                                      {"foo", "Zm9v"},
                                                      {"foob", "Zm9vYg=="},
                                                      {"fooba", "Zm9vYmE="},
                                                      {"foobar", "Zm9vYmFy"}};
  for (auto& [plain, coded] : rows) {
    BOOST_TEST(to_base64(plain) == coded);
    BOOST_TEST((from_base64(coded) == std::optional<std::string>{plain}), coded);
    std::string bare{coded};
    bare.erase(bare.find_last_not_of('=') + 1);
    BOOST_TEST((from_base64(bare) == std::optional<std::string>{plain}), bare);
  }
  std::string all;
  for (int c = 0; c < 256; ++c)
    all += static_cast<char>(c);
  BOOST_TEST((from_base64(to_base64(all)) == std::optional<std::string>{all}));
  BOOST_TEST((from_base64("Zm9v\nYg=\r\n=") == std::optional<std::string>{"foob"}));
}

BOOST_AUTO_TEST_CASE(what_is_none) {
  for (auto* text : {"Z", "Zg=", "Zg===", "Zm9vY", "Z!9v", "Zg==Zg==", "=", "Zm 9v", "Zm9-", "Zm9v="})
    BOOST_TEST(!from_base64(text), text);
}

BOOST_AUTO_TEST_SUITE_END()
