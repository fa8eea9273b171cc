#include "runtime/oci/cgroup.hpp"

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <unistd.h>

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

// runc makes its cgroups in the unified hierarchy of a hybrid host, too, where podium itself makes none.
BOOST_AUTO_TEST_CASE(what_a_runtime_made_beside_ours_goes_with_it) {
  auto tree = cgroup_tree::detect();
  BOOST_REQUIRE(tree);
  auto path = "/podium-test-cgroup-" + std::to_string(::getpid());
  BOOST_REQUIRE(!tree->create(path, {}));
  std::filesystem::path beside = "/sys/fs/cgroup/unified" + path;
  if (tree->kind() == cgroup_tree::layout::hybrid) std::filesystem::create_directories(beside / "below");
  BOOST_TEST(!tree->remove(path));
  BOOST_TEST(!tree->exists(path));
  BOOST_TEST(!std::filesystem::exists(beside));
}

BOOST_AUTO_TEST_SUITE_END()
