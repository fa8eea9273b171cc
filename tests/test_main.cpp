// The one main() of every Boost.Test program of the tree.
#define BOOST_TEST_MODULE podium
#include <boost/test/unit_test.hpp>
