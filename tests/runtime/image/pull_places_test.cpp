#include "runtime/image/pull_places.hpp"

#include <boost/test/unit_test.hpp>
#include <vector>

using namespace podium;

namespace {

struct world {
  std::string went; // the letters of those that went, in their order
  pull_places places{2};
  uint64_t take(const std::string& registry, char letter) {
    return places.take(registry, [this, letter] { went += letter; });
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(pull_places_suite, world)

BOOST_AUTO_TEST_CASE(a_registry_that_hangs_holds_up_its_own_pulls_alone) {
  auto a = take("hangs", 'a');
  take("hangs", 'b');
  auto c = take("hangs", 'c');
  take("hangs", 'd');
  take("works", 'e');
  take("", 'f');
  BOOST_TEST(went == "abef");
  BOOST_TEST(places.waits(c));
  places.leave(a);
  BOOST_TEST(went == "abefc");
  BOOST_TEST(!places.waits(c));
}

BOOST_AUTO_TEST_CASE(who_waits_no_longer_is_passed_over) {
  auto a = take("r", 'a');
  auto b = take("r", 'b');
  auto c = take("r", 'c');
  take("r", 'd');
  places.leave(c);
  BOOST_TEST(went == "ab");
  places.leave(a);
  BOOST_TEST(went == "abd");
  places.leave(a); // again: nothing
  places.leave(c);
  BOOST_TEST(went == "abd");
  places.leave(b);
  take("r", 'e');
  BOOST_TEST(went == "abde");
}

BOOST_AUTO_TEST_CASE(many_registries_that_hang_leave_layouts_alone) {
  uint64_t first = 0;
  for (int i = 0; i < 10; ++i)
    for (int k = 0; k < 2; ++k)
      if (auto place = take("r" + std::to_string(i), 'x'); first == 0) first = place;
  auto late = take("another", 'y');
  BOOST_TEST(places.waits(late));
  take("", 'l');
  BOOST_TEST(went.back() == 'l');
  places.leave(first);
  BOOST_TEST(went.back() == 'y');
}

BOOST_AUTO_TEST_CASE(who_goes_may_leave_at_once) {
  uint64_t mine = 0;
  auto a = take("r", 'a');
  take("r", 'b');
  mine = places.take("r", [&] {
    went += 'c';
    places.leave(mine);
  });
  take("r", 'd');
  places.leave(a);
  BOOST_TEST(went == "abcd");
}

BOOST_AUTO_TEST_SUITE_END()
