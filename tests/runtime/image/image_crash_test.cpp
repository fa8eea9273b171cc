// What is left of the image store when the daemon is killed, or the machine loses its power.
#include "image_world.hpp"
#include "runtime/image/image_files.hpp"
#include <csignal>
#include <fstream>
#include <sstream>
#include <sys/wait.h>

using namespace podium;
using namespace podium::test;

BOOST_AUTO_TEST_SUITE(image_crash_suite)

BOOST_AUTO_TEST_CASE(leftovers_of_a_killed_daemon_go_at_the_start) {
  world w;
  w.mirror.add("docker.io/me/app:latest", {{file("v")}});
  w.open();
  auto image = w.pull("me/app");
  BOOST_REQUIRE_MESSAGE(image, why(image));
  w.settle();
  w.store.reset();
  fs::create_directories(w.settings.root / "tmp/layer-7/diff/etc");
  fs::create_directories(w.settings.root / "layers/0123456789abcdef0123456789abcdef/etc");
  write_file(w.settings.root / "blobs/sha256/oci-put-blob123", "part");
  write_file(w.settings.root / "images.json.new", "{\"ver");
  w.open();
  BOOST_TEST(w.count("tmp") == 0u);
  BOOST_TEST(w.count("layers") == 1u);
  BOOST_TEST(w.count("blobs/sha256") == 3u);
  BOOST_TEST(w.find("me/app").engaged());
  // An image whose layer is gone is no image.
  w.store.reset();
  fs::remove_all((*image)->layers[0].directory);
  w.open();
  BOOST_TEST(!w.find("me/app").engaged());
  BOOST_TEST(w.pull("me/app").engaged());
  BOOST_TEST(!w.write_out());
  w.store.reset();
  write_file(w.settings.root / "images.json", "{broken");
  w.open();
  BOOST_TEST(!w.find("me/app").engaged());
  BOOST_TEST(w.pull("me/app").engaged());
}

BOOST_AUTO_TEST_CASE(killed_in_the_middle_it_starts_clean) {
  world w;
  std::vector<tar_item> many;
  for (int i = 0; i < 3'000; ++i)
    many.push_back(file("d" + std::to_string(i % 50) + "/f" + std::to_string(i)));
  auto made = w.mirror.add("docker.io/me/app:latest", {many, {file("x")}});
  // A child that adds the image; killed as soon as the unpacking is seen to have begun.
  auto copied = w.dir.path / "copied";
  fs::create_directories(w.settings.root / "blobs");
  fs::copy(w.mirror.path / "blobs", w.settings.root / "blobs", fs::copy_options::recursive);
  fs::create_directories(copied);
  fs::copy_file(w.mirror.path / "index.json", copied / "index.json");
  int progress[2];
  BOOST_REQUIRE(::pipe(progress) == 0);
  auto child = ::fork();
  if (child == 0) {
    image_files files{w.settings};
    std::error_code ec;
    fs::create_directories(w.settings.root / "tmp/layer-0", ec);
    fs::create_directories(w.settings.root / "layers", ec);
    fs::remove_all(w.settings.root / "tmp/layer-0", ec);
    (void)!::write(progress[1], "x", 1);
    (void)files.add(copied, "docker.io/me/app:latest", {});
    ::_exit(0);
  }
  ::close(progress[1]);
  char c;
  (void)!::read(progress[0], &c, 1);
  while (!fs::exists(w.settings.root / "tmp/layer-0/diff/d1") && ::waitpid(child, nullptr, WNOHANG) == 0) {
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(progress[0]);
  w.open();
  BOOST_TEST(w.count("tmp") == 0u);
  auto image = w.pull("me/app");
  BOOST_REQUIRE_MESSAGE(image, why(image));
  size_t files = 0;
  for (auto& entry : fs::recursive_directory_iterator((*image)->layers[0].directory))
    files += entry.is_regular_file();
  BOOST_TEST(files == 3'000u);
}

// What a power cut leaves of a pull that was not on the disk yet: a boot id that is not this boot's.
BOOST_AUTO_TEST_CASE(an_image_counts_after_a_crash_of_the_machine_only_once_it_is_on_the_disk) {
  world w;
  w.settings.write_out_delay = std::chrono::hours{1};
  w.mirror.add("docker.io/me/old:latest", {{file("base")}});
  w.mirror.add("docker.io/me/new:latest", {{file("base")}, {file("more")}});
  auto early = w.settings.root / "images.early.json";
  w.open();
  BOOST_REQUIRE(w.pull("me/old").engaged());
  BOOST_TEST(fs::exists(early));
  BOOST_TEST(!fs::exists(w.settings.root / "images.json"));
  BOOST_TEST(!w.write_out());
  BOOST_TEST(!fs::exists(early));
  BOOST_REQUIRE(w.pull("me/new").engaged());
  BOOST_TEST(fs::exists(early));
  w.open(); // the daemon alone crashed: the page cache has everything
  BOOST_TEST(w.find("me/old").engaged());
  BOOST_TEST(w.find("me/new").engaged());
  BOOST_TEST(w.count("layers") == 2u);
  w.store.reset();
  std::stringstream text;
  text << std::ifstream{early}.rdbuf();
  auto cut = text.str();
  auto at = cut.find("\"bootID\":\"");
  BOOST_REQUIRE(at != cut.npos);
  cut.replace(at + 10, 8, "00000000");
  write_file(early, cut);
  w.open();
  BOOST_TEST(w.find("me/old").engaged());
  BOOST_TEST(!w.find("me/new").engaged());
  BOOST_TEST(w.count("layers") == 1u);
  BOOST_TEST(!fs::exists(early));
  BOOST_REQUIRE(w.pull("me/new").engaged());
  // A removal is on the disk before files go.
  auto old = w.find("me/old");
  BOOST_REQUIRE(old.engaged());
  BOOST_TEST(!w.remove((*old)->id));
  BOOST_TEST(!fs::exists(early));
  w.open();
  BOOST_TEST(!w.find("me/old").engaged());
  BOOST_TEST(w.find("me/new").engaged());
  BOOST_TEST(w.count("layers") == 2u);
}

BOOST_AUTO_TEST_CASE(a_pull_gets_to_the_disk_by_itself) {
  world w;
  w.settings.write_out_delay = std::chrono::milliseconds{1};
  w.mirror.add("docker.io/me/app:latest", {{file("v")}});
  w.open();
  BOOST_REQUIRE(w.pull("me/app").engaged());
  auto early = w.settings.root / "images.early.json";
  for (int i = 0; i < 1'000 && fs::exists(early); ++i)
    w.wait<int>([&](auto done) { w.loop.after(std::chrono::milliseconds{10}, [done] { done(1); }); });
  BOOST_TEST(!fs::exists(early));
  BOOST_TEST(fs::exists(w.settings.root / "images.json"));
}

BOOST_AUTO_TEST_SUITE_END()
