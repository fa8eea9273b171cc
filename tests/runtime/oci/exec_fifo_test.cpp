#include "runtime/oci/exec_fifo.hpp"

#include "runtime/process/unique_fd.hpp"
#include <boost/test/unit_test.hpp>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

using namespace podium;

BOOST_AUTO_TEST_SUITE(exec_fifo)

struct directory {
  std::string path;
  directory() {
    char name[] = "/tmp/podium-exec-fifo-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~directory() { std::filesystem::remove_all(path); }
  std::string fifo() const { return path + "/exec.fifo"; }
};

BOOST_FIXTURE_TEST_CASE(who_waits_is_let_go_and_the_name_is_gone, directory) {
  BOOST_REQUIRE_EQUAL(::mkfifo(fifo().c_str(), 0600), 0);
  unique_fd waiting{::open(fifo().c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
  BOOST_REQUIRE(waiting);
  BOOST_CHECK(release_init(path));
  char byte = 1;
  BOOST_CHECK_EQUAL(::read(waiting.get(), &byte, 1), 1);
  BOOST_CHECK_EQUAL(byte, 0);
  BOOST_CHECK(!std::filesystem::exists(fifo()));
  BOOST_CHECK(!release_init(path)); // once
}

BOOST_FIXTURE_TEST_CASE(without_a_fifo_or_a_reader_nothing_happens, directory) {
  BOOST_CHECK(!release_init(path));
  BOOST_REQUIRE_EQUAL(::mkfifo(fifo().c_str(), 0600), 0);
  BOOST_CHECK(!release_init(path));
  BOOST_CHECK(std::filesystem::exists(fifo()));
}

BOOST_FIXTURE_TEST_CASE(something_else_of_that_name_is_left_alone, directory) {
  std::ofstream{fifo()} << "a file";
  BOOST_CHECK(!release_init(path));
  BOOST_CHECK_EQUAL(std::filesystem::file_size(fifo()), 6u);
  std::filesystem::remove(fifo());
  std::filesystem::create_symlink("/dev/null", fifo());
  BOOST_CHECK(!release_init(path));
}

BOOST_AUTO_TEST_SUITE_END()
