#include "runtime/process/directory_watch.hpp"

#include "core/error.hpp"
#include "on_loop.hpp"

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <utility>

using namespace podium;

namespace {

struct watched_directory {
  watched_directory() {
    char name[] = "/tmp/podium-watch-XXXXXX";
    path = ::mkdtemp(name);
    loop.run([this] { watch = std::make_unique<directory_watch>(loop); });
  }
  ~watched_directory() {
    loop.run([this] { watch.reset(); });
    std::filesystem::remove_all(path);
  }
  void write(const char* name) const { std::ofstream{path + "/" + name} << "x"; }
  size_t inotify_instances() const {
    size_t count = 0;
    std::error_code ec;
    for (auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
      if (std::filesystem::read_symlink(entry.path(), ec) == "anon_inode:inotify") ++count;
    return count;
  }

  event_loop loop;
  std::string path;
  std::unique_ptr<directory_watch> watch;
};

} // namespace

BOOST_AUTO_TEST_SUITE(directory_watch_suite)

BOOST_AUTO_TEST_CASE(a_thousand_watchers_share_one_instance_and_each_hears) {
  watched_directory d;
  auto before = d.inotify_instances();
  int heard = 0;
  auto all = test::await<int>(d.loop, [&](auto answer) {
    for (int i = 0; i < 1000; ++i)
      BOOST_REQUIRE(d.watch->add(d.path, [&heard, answer] {
        if (++heard == 1000) answer(heard);
      }));
    d.write("file");
  });
  BOOST_TEST(all == 1000);
  BOOST_TEST(d.inotify_instances() == before + 1);
}

BOOST_AUTO_TEST_CASE(one_that_left_hears_nothing_and_may_leave_from_its_call) {
  watched_directory d;
  int first = 0;
  test::await<int>(d.loop, [&](auto answer) {
    auto early = d.watch->add(d.path, [&first] { first += 100; });
    auto id = std::make_shared<uint64_t>(0);
    *id = *d.watch->add(d.path, [&, id] {
      ++first;
      d.watch->remove(*id);
      d.write("second");
    });
    BOOST_REQUIRE(d.watch->add(d.path, [&d, answer, told = std::make_shared<bool>()] {
      if (std::filesystem::exists(d.path + "/second") && !std::exchange(*told, true)) answer(1);
    }));
    d.watch->remove(*early);
    d.watch->remove(4711);
    d.write("first");
  });
  d.loop.run([&] { BOOST_TEST(first == 1); });
}

BOOST_AUTO_TEST_CASE(a_directory_that_is_not_there_is_an_error) {
  watched_directory d;
  d.loop.run([&] {
    auto id = d.watch->add(d.path + "/nothing", [] {});
    BOOST_REQUIRE(!id);
    BOOST_TEST(message_of(id.error()).find("cannot watch " + d.path + "/nothing") != std::string::npos);
  });
}

BOOST_AUTO_TEST_SUITE_END()
