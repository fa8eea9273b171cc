#include "core/quantity.hpp"

#include "core/error.hpp"

#include <boost/test/unit_test.hpp>
#include <limits>
#include <random>

using podium::quantity;

namespace {

quantity q(std::string_view text) {
  auto parsed = quantity::parse(text);
  BOOST_REQUIRE_MESSAGE(parsed, "cannot read " << text);
  return *parsed;
}

struct good {
  const char* text;
  const char* canonical;
  int64_t value;
  int64_t milli;
};

constexpr int64_t top = std::numeric_limits<int64_t>::max();

const good good_rows[] = {
    {"0", "0", 0, 0},
    {"0n", "0", 0, 0},
    {"0Ki", "0", 0, 0},
    {"000", "0", 0, 0},
    {"-0", "0", 0, 0},
    {"1", "1", 1, 1000},
    {"+1", "1", 1, 1000},
    {"0001", "1", 1, 1000},
    {"250m", "250m", 1, 250},
    {"0.1", "100m", 1, 100},
    {".5", "500m", 1, 500},
    {"1.", "1", 1, 1000},
    {"1.5", "1500m", 2, 1500},
    {"1000m", "1", 1, 1000},
    {"1500m", "1500m", 2, 1500},
    {"2.000", "2", 2, 2000},
    {"100n", "100n", 1, 1},
    {"1000n", "1u", 1, 1},
    {"1500u", "1500u", 1, 2},
    {"0.0000000001", "1n", 1, 1},
    {"1.0000000001", "1000000001n", 2, 1001},
    {"-0.0000000001", "-1n", -1, -1},
    {"1k", "1k", 1000, 1000000},
    {"1000", "1k", 1000, 1000000},
    {"1024", "1024", 1024, 1024000},
    {"100000", "100k", 100000, 100000000},
    {"1000000", "1M", 1000000, 1000000000},
    {"1.5G", "1500M", 1500000000, 1500000000000},
    {"1T", "1T", 1000000000000, 1000000000000000},
    {"1P", "1P", 1000000000000000, 1000000000000000000},
    {"1E", "1E", 1000000000000000000, top},
    {"10E", "10E", top, top},
    {"64Mi", "64Mi", 67108864, 67108864000},
    {"1Ki", "1Ki", 1024, 1024000},
    {"1024Ki", "1Mi", 1048576, 1048576000},
    {"1025Ki", "1025Ki", 1049600, 1049600000},
    {"1024Mi", "1Gi", 1073741824, 1073741824000},
    {"1.5Gi", "1536Mi", 1610612736, 1610612736000},
    {"0.5Gi", "512Mi", 536870912, 536870912000},
    {"0.5Ki", "512", 512, 512000},
    {"0.5Mi", "512Ki", 524288, 524288000},
    {"1.1Ki", "1126400m", 1127, 1126400},
    {"1Ti", "1Ti", 1099511627776, 1099511627776000},
    {"1Pi", "1Pi", 1125899906842624, 1125899906842624000},
    {"1Ei", "1Ei", 1152921504606846976, top},
    {"8Ei", "9223372036854775807", top, top},
    {"100Ei", "9223372036854775807", top, top},
    {"0.0001Ki", "102400u", 1, 103},
    {"-64Mi", "-64Mi", -67108864, -67108864000},
    {"-250m", "-250m", -1, -250},
    {"1e3", "1e3", 1000, 1000000},
    {"1E3", "1e3", 1000, 1000000},
    {"1e+3", "1e3", 1000, 1000000},
    {"1e0", "1", 1, 1000},
    {"1e1", "10", 10, 10000},
    {"12e4", "120e3", 120000, 120000000},
    {"1000e0", "1e3", 1000, 1000000},
    {"1e-3", "1e-3", 1, 1},
    {"1.5e3", "1500", 1500, 1500000},
    {"1e-20", "1e-9", 1, 1},
    {"5E-3", "5e-3", 1, 5},
    {"1e400", "9223372036854775807", top, top},
    {"932237222222222127e4", "9223372036854775807", top, top}, // its canonical text would not be short
    {"1e99999999999999999999", "9223372036854775807", top, top},
    {"9223372036854775807", "9223372036854775807", top, top},
    {"9223372036854775808", "9223372036854775807", top, top},
    {"-9223372036854775808", "-9223372036854775807", -top, -top - 1},
    {"123456789.123456789", "123456789123456789n", 123456790, 123456789124},
};

struct bad {
  const char* text;
  const char* error;
};

#define PODIUM_FORMAT                                                                                        \
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
#define PODIUM_SUFFIX "unable to parse quantity's suffix"

const bad bad_rows[] = {
    {"", PODIUM_FORMAT},       {" ", PODIUM_FORMAT},       {" 1", PODIUM_FORMAT},
    {"1 ", PODIUM_FORMAT},     {"abc", PODIUM_FORMAT},     {"1.1.M", PODIUM_FORMAT},
    {"1+1.0M", PODIUM_FORMAT}, {"0.1am", PODIUM_FORMAT},   {"aoeu", PODIUM_FORMAT},
    {"0.1mi", PODIUM_SUFFIX},  {".5i", PODIUM_SUFFIX},     {"1i", PODIUM_SUFFIX},
    {"-3.01i", PODIUM_SUFFIX}, {"-3.01e-", PODIUM_SUFFIX}, {"1mm", PODIUM_SUFFIX},
    {"1ki", PODIUM_SUFFIX},    {"64MB", PODIUM_FORMAT},    {"64MiB", PODIUM_FORMAT},
    {"1K", PODIUM_SUFFIX},     {"--1", PODIUM_FORMAT},     {"+-1", PODIUM_FORMAT},
    {"1e3e3", PODIUM_FORMAT},  {"Mi", PODIUM_FORMAT},      {"-", PODIUM_FORMAT},
    {"1,5", PODIUM_FORMAT},    {"0x10", PODIUM_FORMAT},    {"1e", PODIUM_SUFFIX},
    {"1e+", PODIUM_SUFFIX},    {"true", PODIUM_FORMAT},    {".", "unable to parse numeric part of quantity"},
    {"1m5", PODIUM_SUFFIX},
};

} // namespace

BOOST_AUTO_TEST_SUITE(quantity_suite)

BOOST_AUTO_TEST_CASE(reads_and_prints) {
  for (const auto& row : good_rows) {
    BOOST_TEST_CONTEXT(row.text) {
      auto amount = q(row.text);
      BOOST_TEST(amount.to_string() == row.canonical);
      BOOST_TEST(amount.value() == row.value);
      BOOST_TEST(amount.milli_value() == row.milli);
    }
  }
}

BOOST_AUTO_TEST_CASE(printing_is_stable) {
  for (const auto& row : good_rows) {
    BOOST_TEST_CONTEXT(row.text) {
      auto again = q(row.canonical);
      BOOST_TEST(again.to_string() == row.canonical);
      BOOST_TEST((again == q(row.text)));
    }
  }
}

BOOST_AUTO_TEST_CASE(refuses) {
  for (const auto& row : bad_rows) {
    BOOST_TEST_CONTEXT(row.text) {
      auto parsed = quantity::parse(row.text);
      BOOST_REQUIRE(!parsed);
      BOOST_TEST(podium::message_of(parsed.error()) == row.error);
      BOOST_TEST((podium::code_of(parsed.error()) == podium::errc::invalid));
    }
  }
  BOOST_TEST(!quantity::parse(std::string(300, '1')));
}

BOOST_AUTO_TEST_CASE(compares_amounts_not_texts) {
  BOOST_TEST((q("1024Mi") == q("1Gi")));
  BOOST_TEST((q("0.5") == q("500m")));
  BOOST_TEST((q("1e3") == q("1k")));
  BOOST_TEST((q("999m") < q("1")));
  BOOST_TEST((q("-1") < q("0")));
  BOOST_TEST((q("1Mi") > q("1M")));
}

BOOST_AUTO_TEST_CASE(adds_and_subtracts) {
  BOOST_TEST((q("250m") + q("250m")).to_string() == "500m");
  BOOST_TEST((q("64Mi") + q("64Mi")).to_string() == "128Mi");
  BOOST_TEST((quantity{} + q("64Mi")).to_string() == "64Mi");
  BOOST_TEST((q("1Gi") - q("512Mi")).to_string() == "512Mi");
  BOOST_TEST((q("1") - q("1500m")).to_string() == "-500m");
  BOOST_TEST((q("1Gi") - q("1Gi")).is_zero());
  BOOST_TEST((-q("5")).to_string() == "-5");
  auto sum = q("10E");
  for (int i = 0; i < 200; ++i)
    sum += sum;
  BOOST_TEST(sum.value() == top);
}

BOOST_AUTO_TEST_CASE(rounds_to_milli) {
  BOOST_TEST(q("1u").rounded_up_to_milli().to_string() == "1m");
  BOOST_TEST(q("1500u").rounded_up_to_milli().to_string() == "2m");
  BOOST_TEST(q("-1500u").rounded_up_to_milli().to_string() == "-2m");
  BOOST_TEST(q("3m").rounded_up_to_milli().to_string() == "3m");
  BOOST_TEST(q("1.5").is_whole_milli());
  BOOST_TEST(!q("1.5").is_whole());
  BOOST_TEST(!q("1u").is_whole_milli());
}

BOOST_AUTO_TEST_CASE(made_from_numbers) {
  BOOST_TEST(quantity::of_milli(1500).to_string() == "1500m");
  BOOST_TEST(quantity::of_bytes(64 << 20).to_string() == "64Mi");
  BOOST_TEST(quantity::of(110).to_string() == "110");
  BOOST_TEST(quantity::of(-3).sign() == -1);
}

BOOST_AUTO_TEST_CASE(any_text_is_read_or_refused) {
  std::mt19937_64 random{42};
  constexpr std::string_view letters = "0123456789.+-eEinumkKMGTP ";
  for (int i = 0; i < 20000; ++i) {
    std::string text(random() % 24, ' ');
    for (auto& c : text)
      c = letters[random() % letters.size()];
    if (auto parsed = quantity::parse(text)) {
      auto printed = parsed->to_string();
      auto again = quantity::parse(printed);
      BOOST_REQUIRE_MESSAGE(again, text << " printed as " << printed);
      BOOST_REQUIRE_MESSAGE(again->to_string() == printed, text << " printed as " << printed);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
