#include "runtime/oci/cgroup.hpp"

#include <boost/test/unit_test.hpp>

using namespace podium;

BOOST_AUTO_TEST_SUITE(cgroup_usage_suite)

BOOST_AUTO_TEST_CASE(the_machine_uses_something) {
  auto tree = cgroup_tree::detect();
  BOOST_REQUIRE(tree);
  auto first = tree->machine_usage();
  BOOST_REQUIRE(first);
  BOOST_TEST(first->cpu_ns > 0);
  BOOST_TEST(first->memory_working_set_bytes > 0);
  BOOST_TEST(first->memory_working_set_bytes <= first->memory_bytes);
  BOOST_TEST(tree->machine_usage()->cpu_ns >= first->cpu_ns);
}

BOOST_AUTO_TEST_CASE(a_cgroup_that_is_not_there_uses_nothing) {
  auto tree = cgroup_tree::detect();
  BOOST_REQUIRE(tree);
  auto used = tree->usage("/podium-test-there-is-no-such-cgroup");
  BOOST_TEST(used.cpu_ns == 0);
  BOOST_TEST(used.memory_working_set_bytes == 0);
}

BOOST_AUTO_TEST_SUITE_END()
