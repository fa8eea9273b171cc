// Volumes on a real disk and in real memory: made, changed at once, found again, removed.
#include "runtime/volume/volume_maker.hpp"

#include "core/error.hpp"
#include "runtime/oci/small_files.hpp"
#include "runtime/process/unique_fd.hpp"
#include "runtime/volume/atomic_files.hpp"
#include "runtime/volume/host_path.hpp"
#include "runtime/volume/mount_points.hpp"
#include "runtime/volume/volume_tree.hpp"

#include <boost/test/unit_test.hpp>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace podium;
namespace fs = std::filesystem;

namespace {

struct world {
  world() {
    char name[] = "/tmp/podium-volume-test-XXXXXX";
    root = ::mkdtemp(name);
    fs::create_directories(root / "data/pods/uid-1");
    settings = {root / "data", root / "run"};
  }
  ~world() { remove_with_mounts(root); }

  volume_place make(volume_wish wish, int64_t group = -1) {
    wish.name = "v";
    auto made = volume_maker{settings}.make({"uid-1", group, false, {wish}});
    return made.volumes.at(0);
  }
  fs::path root;
  volume_settings settings;
};

volume_file file(std::string path, std::string text, int32_t mode = 0644) {
  return {std::move(path), std::make_shared<const std::string>(std::move(text)), mode, 0};
}

std::string text_of(const fs::path& path) {
  std::ifstream in{path};
  return {std::istreambuf_iterator<char>{in}, {}};
}

unsigned mode_of(const fs::path& path) {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0 ? facts.st_mode & 07777 : 0;
}

int64_t group_of(const fs::path& path) {
  struct stat facts {};
  return ::lstat(path.c_str(), &facts) == 0 ? facts.st_gid : -1;
}

size_t entries(const fs::path& path) {
  return static_cast<size_t>(std::distance(fs::directory_iterator{path}, fs::directory_iterator{}));
}

} // namespace

BOOST_AUTO_TEST_SUITE(volume_maker_works)

BOOST_AUTO_TEST_CASE(directories_are_for_all_and_stay_as_they_are) {
  world w;
  auto place = w.make({.kind = volume_kind::directory});
  BOOST_REQUIRE_MESSAGE(place.error.empty(), place.error);
  BOOST_TEST(mode_of(place.path) == 0777u);
  std::ofstream{place.path + "/kept"} << "x";
  BOOST_TEST(w.make({.kind = volume_kind::directory}).path == place.path);
  BOOST_TEST(text_of(place.path + "/kept") == "x");
  BOOST_TEST(volume_maker{w.settings}.usage("uid-1").used_bytes.at("v") > 0);
  BOOST_TEST(!volume_maker{w.settings}.remove("uid-1"));
  BOOST_TEST(!fs::exists(place.path));
  BOOST_TEST(!volume_maker{w.settings}.remove("uid-1"));
}

BOOST_AUTO_TEST_CASE(the_directory_of_a_pod_comes_and_goes_with_its_own_volumes) {
  world w;
  auto uid_2 = w.root / "data/pods/uid-2";
  volume_maker maker{w.settings};
  BOOST_TEST(maker.make({"uid-2", -1, false, {{.name = "v"}}}).volumes.at(0).error == "");
  BOOST_TEST(mode_of(uid_2) == 0711u);
  BOOST_TEST(mode_of(uid_2 / "volumes") == 0700u);
  BOOST_TEST(!maker.remove("uid-2"));
  BOOST_TEST(!fs::exists(uid_2));
  // A sandbox's files are not theirs.
  maker.make({"uid-2", -1, false, {{.name = "v"}}});
  std::ofstream{uid_2 / "sandbox.json"} << "{}";
  BOOST_TEST(!maker.remove("uid-2"));
  BOOST_TEST(entries(uid_2) == 1u);
}

/// The path may have hung until after the pod's end.
BOOST_AUTO_TEST_CASE(a_path_of_the_node_brings_back_no_pod) {
  world w;
  volume_wish wish{.name = "v", .kind = volume_kind::host_path, .group_owned = true};
  wish.path = w.root / "data";
  BOOST_TEST(!volume_maker{w.settings}.make({"uid-2", 4321, false, {wish}}).volumes.at(0).error.empty());
  BOOST_TEST(volume_maker{w.settings}.make({"uid-2", -1, false, {wish}}).volumes.at(0).error == "");
  BOOST_TEST(!fs::exists(w.root / "data/pods/uid-2"));
  auto bad = volume_maker{w.settings}.make({"../uid-1", -1, false, {{.name = "v"}}});
  BOOST_TEST(bad.volumes.at(0).error == "not a pod's uid: '../uid-1'");
}

BOOST_AUTO_TEST_CASE(memory_is_mounted_once_and_gone_with_the_pod) {
  world w;
  volume_wish wish{.kind = volume_kind::memory, .size_limit_bytes = 1 << 20};
  auto place = w.make(wish, 4321);
  BOOST_REQUIRE_MESSAGE(place.error.empty(), place.error);
  BOOST_TEST(is_mount_point(place.path));
  BOOST_TEST(mode_of(place.path) == 03777u);
  BOOST_TEST(group_of(place.path) == 4321);
  std::ofstream{place.path + "/kept"} << std::string(100'000, 'x');
  w.make(wish, 4321);
  BOOST_TEST(mount_points_below(w.root).size() == 1u);
  BOOST_TEST(!fs::exists(w.root / "data/pods/uid-1/volumes"));
  BOOST_TEST(volume_maker{w.settings}.usage("uid-1").used_bytes.at("v") >= 100'000);
  BOOST_TEST(!volume_maker{w.settings}.remove("uid-1"));
  BOOST_TEST(mount_points_below(w.root).empty());
}

BOOST_AUTO_TEST_CASE(what_pods_left_behind_in_memory_is_swept) {
  world w;
  w.make({.kind = volume_kind::memory});
  volume_maker{w.settings}.sweep();
  BOOST_TEST(mount_points_below(w.root).size() == 1u);
  fs::remove_all(w.root / "data/pods/uid-1");
  volume_maker{w.settings}.sweep();
  BOOST_TEST(mount_points_below(w.root).empty());
  BOOST_TEST(!fs::exists(w.root / "run/volumes/uid-1"));
}

BOOST_AUTO_TEST_CASE(mounts_that_a_pod_left_in_its_volume_go_with_it) {
  world w;
  auto place = w.make({.kind = volume_kind::directory});
  fs::create_directories(place.path + "/a b/c");
  BOOST_REQUIRE(::mount("x", (place.path + "/a b/c").c_str(), "tmpfs", 0, "") == 0);
  BOOST_TEST(mount_points_below(w.root).at(0) == place.path + "/a b/c");
  BOOST_TEST(!volume_maker{w.settings}.remove("uid-1"));
  BOOST_TEST(mount_points_below(w.root).empty());
  BOOST_TEST(!fs::exists(place.path));
}

/// A part of the same file system has the same device number: only the mount tells that it is not the pod's.
BOOST_AUTO_TEST_CASE(what_is_bound_into_a_volume_from_elsewhere_stays) {
  world w;
  auto victim = w.root / "victim";
  fs::create_directories(victim / "deep");
  std::ofstream{victim / "deep/data"} << "precious";
  auto place = w.make({.kind = volume_kind::directory});
  auto bind = [&](const fs::path& at) {
    fs::create_directories(at);
    BOOST_REQUIRE(::mount(victim.c_str(), at.c_str(), nullptr, MS_BIND, nullptr) == 0);
  };
  bind(fs::path{place.path} / "a/sub");
  bind(fs::path{place.path} / "a/sub"); // one over the other
  bind(fs::path{place.path} / "top");
  auto file = fs::path{place.path} / "a/file";
  std::ofstream{file} << "hidden";
  BOOST_REQUIRE(::mount((victim / "deep/data").c_str(), file.c_str(), nullptr, MS_BIND, nullptr) == 0);
  // Whoever removes a tree without looking for mounts does no harm either.
  remove_tree(place.path);
  remove_tree(fs::path{place.path} / "top");
  BOOST_TEST(text_of(victim / "deep/data") == "precious");
  BOOST_TEST(mount_points_below(place.path).size() == 4u);
  BOOST_TEST(!volume_maker{w.settings}.remove("uid-1"));
  BOOST_TEST(text_of(victim / "deep/data") == "precious");
  BOOST_TEST(mount_points_below(w.root).empty());
  BOOST_TEST(!fs::exists(place.path));
}

/// What does not go holds up itself alone, and the next call finishes.
BOOST_AUTO_TEST_CASE(what_is_left_of_a_removal_is_removed_by_the_next) {
  world w;
  auto place = w.make({.kind = volume_kind::directory});
  auto stuck = fs::path{place.path} / "stuck";
  std::ofstream{stuck} << "x";
  std::ofstream{fs::path{place.path} / "beside"} << "x";
  unique_fd file{::open(stuck.c_str(), O_RDONLY | O_CLOEXEC)};
  auto set_immutable = [&](int flag) { return ::ioctl(file.get(), FS_IOC_SETFLAGS, &flag) == 0; };
  if (!set_immutable(FS_IMMUTABLE_FL)) return; // this file system has no such files
  auto failed = volume_maker{w.settings}.remove("uid-1");
  BOOST_TEST(set_immutable(0));
  BOOST_TEST((code_of(failed) == errc::io));
  BOOST_TEST(fs::exists(stuck));
  BOOST_TEST(!fs::exists(fs::path{place.path} / "beside"));
  BOOST_TEST(!volume_maker{w.settings}.remove("uid-1"));
  BOOST_TEST(!fs::exists(place.path));
}

BOOST_AUTO_TEST_CASE(a_deep_tree_with_a_mount_at_its_end_is_left_in_finite_time) {
  world w;
  auto victim = w.root / "victim";
  fs::create_directories(victim);
  std::ofstream{victim / "data"} << "precious";
  auto at = w.root / "tree";
  for (int i = 0; i < 65; ++i)
    at /= "d";
  fs::create_directories(at);
  BOOST_REQUIRE(::mount(victim.c_str(), at.c_str(), nullptr, MS_BIND, nullptr) == 0);
  remove_tree(w.root / "tree");
  BOOST_TEST(text_of(victim / "data") == "precious");
  BOOST_TEST(mount_points_below(w.root).size() == 1u);
}

BOOST_AUTO_TEST_CASE(files_are_replaced_all_at_once) {
  world w;
  volume_wish wish{.kind = volume_kind::files,
                   .files = {file("a", "1"), file("d/b", "2", 0400), file("d/e/c", "3")}};
  auto place = w.make(wish);
  BOOST_REQUIRE_MESSAGE(place.error.empty(), place.error);
  fs::path root = place.path;
  BOOST_TEST(text_of(root / "a") == "1");
  BOOST_TEST(text_of(root / "d/e/c") == "3");
  BOOST_TEST(mode_of(root / "d/b") == 0400u);
  BOOST_TEST(fs::read_symlink(root / "a") == "..data/a");
  auto first = fs::read_symlink(root / "..data");
  BOOST_TEST(first.string().starts_with("..20"));
  w.make(wish);
  BOOST_TEST(fs::read_symlink(root / "..data") == first); // nothing changed, nothing written
  wish.files = {file("a", "changed"), file("new", "n")};
  w.make(wish);
  BOOST_TEST(fs::read_symlink(root / "..data") != first);
  BOOST_TEST(text_of(root / "a") == "changed");
  BOOST_TEST(text_of(root / "new") == "n");
  BOOST_TEST(entries(root) == 4u); // ..data, its directory, a, new
  wish.files = {};
  w.make(wish);
  BOOST_TEST(entries(root) == 2u);
}

BOOST_AUTO_TEST_CASE(a_writer_that_was_cut_short_is_finished) {
  world w;
  volume_wish wish{.kind = volume_kind::files, .files = {file("a", "1"), file("b", "2")}};
  fs::path root = w.make(wish).path;
  // As if it had ended before the links, before the sweep, and in the middle of the next version.
  fs::remove(root / "b");
  fs::create_directories(root / "..2020_01_01_00_00_00.000000000");
  fs::create_symlink("..2020_01_01_00_00_00.000000000", root / "..data_tmp");
  std::ofstream{root / "stale"} << "x";
  w.make(wish);
  BOOST_TEST(text_of(root / "b") == "2");
  BOOST_TEST(entries(root) == 4u);
  // A file that somebody changed is put right.
  fs::permissions(root / "a", fs::perms{0777});
  w.make(wish);
  BOOST_TEST(mode_of(root / "a") == 0644u);
}

BOOST_AUTO_TEST_CASE(names_that_leave_a_volume_are_refused) {
  world w;
  for (auto* path : {"", "/a", "../a", "a/../b", "a//b", "a/.", "..data", "..x/y", "a/"}) {
    auto place = w.make({.kind = volume_kind::files, .files = {file(path, "x")}});
    BOOST_TEST(place.error.find("leaves the volume") != std::string::npos, path);
  }
  // Even a link that is there already leads nowhere else.
  fs::path root = w.make({.kind = volume_kind::files, .files = {file("a", "1")}}).path;
  fs::create_symlink("/etc", root / "b");
  w.make({.kind = volume_kind::files, .files = {file("b/x", "2")}});
  BOOST_TEST(!fs::exists("/etc/x"));
  BOOST_TEST(text_of(root / "b/x") == "2");
}

BOOST_AUTO_TEST_CASE(secrets_are_in_memory_and_their_group_may_read) {
  world w;
  volume_wish wish{.kind = volume_kind::files, .in_memory = true, .files = {file("pw", "x", 0400)}};
  auto place = w.make(wish, 4321);
  BOOST_REQUIRE_MESSAGE(place.error.empty(), place.error);
  BOOST_TEST(is_mount_point(place.path));
  BOOST_TEST(mode_of(place.path + "/pw") == 0440u);
  BOOST_TEST(group_of(fs::canonical(place.path + "/pw")) == 4321);
  BOOST_TEST(!fs::exists(w.root / "data/pods/uid-1/volumes/v"));
}

BOOST_AUTO_TEST_CASE(trees_given_to_a_group) {
  world w;
  auto root = w.root / "tree";
  fs::create_directories(root / "d");
  std::ofstream{root / "d/f"} << "x";
  fs::permissions(root / "d/f", fs::perms{0600});
  std::ofstream{w.root / "outside"} << "x";
  fs::create_symlink(w.root / "outside", root / "link");
  auto before = group_of(w.root / "outside");
  BOOST_TEST(!give_to_group(root, 4321, false));
  BOOST_TEST(mode_of(root / "d/f") == 0660u);
  BOOST_TEST((mode_of(root / "d") & 02770u) == 02770u);
  BOOST_TEST(group_of(root / "d/f") == 4321);
  BOOST_TEST(group_of(w.root / "outside") == before);
  // The root is right: nobody looks further.
  fs::permissions(root / "d/f", fs::perms{0600});
  BOOST_TEST(!give_to_group(root, 4321, true));
  BOOST_TEST(mode_of(root / "d/f") == 0600u);
  BOOST_TEST(!give_to_group(root, 4322, true));
  BOOST_TEST(mode_of(root / "d/f") == 0660u);
}

/// The pod's processes have set modes of their own since: nothing that changes at the pod may undo them.
BOOST_AUTO_TEST_CASE(a_pod_s_group_gets_a_volume_once) {
  world w;
  auto disk = w.root / "disk";
  fs::create_directories(disk);
  std::ofstream{disk / "key"} << "x";
  fs::permissions(disk / "key", fs::perms{0600});
  volume_wish wish{.kind = volume_kind::host_path, .path = disk, .type = "Directory", .group_owned = true};
  BOOST_TEST(w.make(wish, 4321).error == "");
  BOOST_TEST(mode_of(disk / "key") == 0660u);
  BOOST_TEST(group_of(disk / "key") == 4321);
  auto set_back = [&] {
    fs::permissions(disk, fs::perms{0700});
    fs::permissions(disk / "key", fs::perms{0600});
  };
  set_back();
  BOOST_TEST(w.make(wish, 4321).error == ""); // a new daemon's maker knows nothing but what lies there
  BOOST_TEST(mode_of(disk) == 0700u);
  BOOST_TEST(mode_of(disk / "key") == 0600u);
  BOOST_TEST(volume_maker{w.settings}.usage("uid-1").used_bytes.empty());
  // Another pod is another matter.
  fs::create_directories(w.root / "data/pods/uid-2");
  wish.name = "v";
  BOOST_TEST(volume_maker{w.settings}.make({"uid-2", 4321, false, {wish}}).volumes.at(0).error == "");
  BOOST_TEST(mode_of(disk / "key") == 0660u);
  // And so is the same one after its volumes were removed.
  set_back();
  BOOST_TEST(!volume_maker{w.settings}.remove("uid-1"));
  BOOST_TEST(!volume_maker{w.settings}.make_pod_directory("uid-1"));
  BOOST_TEST(w.make(wish, 4321).error == "");
  BOOST_TEST(mode_of(disk / "key") == 0660u);
}

BOOST_AUTO_TEST_CASE(directories_of_volumes_that_never_came_to_be_are_swept) {
  world w;
  volume_maker maker{w.settings};
  for (auto* name : {"pvc-lost", "pvc-used", "pvc-opened"})
    BOOST_REQUIRE(maker.persistent({name, false}));
  auto at = [&](const char* name) { return w.root / "data/volumes" / name; };
  std::ofstream{at("pvc-used") / "data"} << "x";
  volume_wish wish{.kind = volume_kind::host_path, .path = at("pvc-opened"), .type = "DirectoryOrCreate"};
  BOOST_TEST(w.make(wish).error == "");
  maker.sweep();
  BOOST_TEST(!fs::exists(at("pvc-lost")));
  BOOST_TEST(text_of(at("pvc-used") / "data") == "x");
  BOOST_TEST(fs::exists(at("pvc-opened")));
  // Should its volume be there all the same, its first pod has it as if nothing had been.
  wish.path = at("pvc-lost");
  BOOST_TEST(w.make(wish).error == "");
  BOOST_TEST(mode_of(at("pvc-lost")) == 0777u);
}

BOOST_AUTO_TEST_CASE(host_paths_by_type) {
  world w;
  auto at = [&](const char* name) { return (w.root / name).string(); };
  std::ofstream{at("file")} << "x";
  struct row {
    const char *name, *type, *words;
  };
  for (auto& r :
       {row{"file", "", ""}, row{"file", "File", ""}, row{"file", "FileOrCreate", ""},
        row{"file", "Directory", "a directory"}, row{"none", "Directory", "a directory"},
        row{"none", "File", "a file"}, row{"data", "File", "a file"}, row{"file", "Socket", "a socket file"},
        row{"file", "CharDevice", "a character device"}, row{"file", "BlockDevice", "a block device"},
        row{"data", "Directory", ""}, row{"made/deep", "DirectoryOrCreate", ""},
        row{"made/deep", "Directory", ""}, row{"touched", "FileOrCreate", ""}, row{"touched", "File", ""},
        row{"plain/deep", "", ""}}) {
    auto err = check_host_path(at(r.name), r.type);
    auto expected =
        *r.words ? "hostPath type check failed: " + at(r.name) + " is not " + r.words : std::string{};
    BOOST_TEST((err ? message_of(err) : std::string{}) == expected, r.name << " " << r.type);
  }
  BOOST_TEST(!check_host_path("/dev/null", "CharDevice"));
  BOOST_TEST(message_of(check_host_path(at("file"), "Odd")) == "Odd is an invalid volume type");
  BOOST_TEST((code_of(check_host_path(at("no/where"), "FileOrCreate")) == errc::io));
}

BOOST_AUTO_TEST_CASE(persistent_directories) {
  world w;
  volume_maker maker{w.settings};
  auto made = maker.persistent({"pvc-1", false});
  BOOST_REQUIRE(made);
  volume_wish wish{.kind = volume_kind::host_path, .path = made->path, .type = "DirectoryOrCreate"};
  BOOST_TEST(w.make(wish).error == "");
  BOOST_TEST(mode_of(made->path) == 0777u);
  std::ofstream{made->path + "/x"} << "x";
  BOOST_TEST(maker.persistent({"pvc-1", false})->path == made->path);
  // What a pod made of it stays so for the next one.
  fs::permissions(made->path, fs::perms{0700});
  BOOST_TEST(w.make(wish).error == "");
  BOOST_TEST(mode_of(made->path) == 0700u);
  BOOST_TEST(fs::exists(made->path + "/x"));
  BOOST_REQUIRE(maker.persistent({"pvc-1", true}));
  BOOST_TEST(!fs::exists(made->path));
  BOOST_REQUIRE(maker.persistent({"pvc-1", true}));
  BOOST_TEST((code_of(maker.persistent({"../x", false}).error()) == errc::invalid));
}

BOOST_AUTO_TEST_SUITE_END()
