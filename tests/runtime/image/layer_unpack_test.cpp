#include "core/error.hpp"
#include "runtime/image/layer_unpack.hpp"
#include "test_layout.hpp"
#include <boost/test/unit_test.hpp>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

using namespace podium;
using namespace podium::test;

BOOST_AUTO_TEST_SUITE(layer_unpack)

namespace {

struct unpacked {
  temporary_directory dir;
  fs::path diff;
  caf::expected<unpacked_layer> result{unpacked_layer{}};

  explicit unpacked(const std::string& blob, std::string digest = {}, unpack_limits limits = {}) {
    fs::create_directory(dir.path / "outside");
    write_file(dir.path / "outside/secret", "untouched");
    write_file(dir.path / "blob", blob);
    fs::create_directory(dir.path / "work");
    diff = dir.path / "work/diff";
    if (digest.empty()) digest = digest_of(blob);
    result = unpack_layer(dir.path / "blob", digest, dir.path / "work", limits);
  }
  explicit unpacked(const std::vector<tar_item>& items, unpack_limits limits = {})
      : unpacked(make_tar(items, true), {}, limits) {}

  struct stat look(const char* name) const {
    struct stat st {};
    if (::lstat((diff / name).c_str(), &st) != 0) st.st_mode = 0;
    return st;
  }
  bool whiteout(const char* name) const {
    auto st = look(name);
    return S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0);
  }
  bool opaque(const char* name) const {
    char value[4] = {};
    return ::lgetxattr((diff / name).c_str(), "trusted.overlay.opaque", value, sizeof value) == 1
           && value[0] == 'y';
  }
  std::string why() const { return result ? "no error" : message_of(result.error()); }
  bool nothing_escaped() const {
    size_t n = 0;
    for (auto& ignored : fs::directory_iterator(dir.path / "outside"))
      n += ignored.exists();
    return n == 1 && slurp(dir.path / "outside/secret") == "untouched" && !fs::exists("/podium-escaped");
  }
};

} // namespace

BOOST_AUTO_TEST_CASE(keeps_kinds_modes_owners_times) {
  auto suid = file("./bin/su", "elf", 04755);
  suid.uid = 12, suid.gid = 34;
  tar_item fifo{.path = "run/pipe", .type = AE_IFIFO, .content = {}, .mode = 0620};
  tar_item null{.path = "dev/null", .type = AE_IFCHR, .content = {}, .mode = 0666, .major = 1, .minor = 3};
  auto capable = file("bin/ping");
  const char cap[] = {1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  capable.xattrs = {
      {"security.capability", {cap, sizeof cap}}, {"user.note", "hi"}, {"trusted.overlay.redirect", "/etc"}};
  unpacked u{{dir("./", 0755), dir("./bin"), suid, hard("bin/sudo", "./bin/su"), soft("bin/sh", "su"),
              dir("tmp", 01777), fifo, null, capable, file("etc/n\xc3\xa4me")}};
  BOOST_REQUIRE_MESSAGE(u.result, u.why());
  auto su = u.look("bin/su");
  BOOST_TEST((su.st_mode & 07777) == 04755u);
  BOOST_TEST(su.st_uid == 12u);
  BOOST_TEST(su.st_gid == 34u);
  BOOST_TEST(su.st_mtime == 1'000'000'000);
  BOOST_TEST(su.st_nlink == 2u);
  BOOST_TEST(su.st_ino == u.look("bin/sudo").st_ino);
  BOOST_TEST(fs::read_symlink(u.diff / "bin/sh") == "su");
  BOOST_TEST((u.look("tmp").st_mode & 07777) == 01777u);
  BOOST_TEST(u.look("bin").st_mtime == 1'000'000'000);
  BOOST_TEST(S_ISFIFO(u.look("run/pipe").st_mode));
  BOOST_TEST(u.look("dev/null").st_rdev == makedev(1, 3));
  BOOST_TEST(slurp(u.diff / "etc/n\xc3\xa4me") == "x");
  char value[64];
  BOOST_TEST(::lgetxattr((u.diff / "bin/ping").c_str(), "security.capability", value, sizeof value) == 20);
  BOOST_TEST(::lgetxattr((u.diff / "bin/ping").c_str(), "user.note", value, sizeof value) == 2);
  BOOST_TEST(::lgetxattr((u.diff / "bin/ping").c_str(), "trusted.overlay.redirect", value, sizeof value)
             == -1);
  BOOST_TEST(u.result->file_bytes == 5u);
}

BOOST_AUTO_TEST_CASE(whiteouts_take_overlayfs_form) {
  unpacked u{{dir("etc"), file("etc/.wh.gone", ""), dir("var"), file("var/.wh..wh..opq", ""), file("var/new"),
              file("opt/.wh.old", ""), dir("opt/old"), file("opt/old/in"), dir("srv"), dir("srv/both"),
              file("srv/both/kept"), file("srv/.wh.both", ""), file("usr/.wh.tool", ""),
              file("usr/tool", "v2"), file(".wh.top", ""), file("usr/.wh..wh.plnk", "")}};
  BOOST_REQUIRE_MESSAGE(u.result, u.why());
  BOOST_TEST(u.whiteout("etc/gone"));
  BOOST_TEST(u.opaque("var"));
  BOOST_TEST(slurp(u.diff / "var/new") == "x");
  // A directory that comes after its own whiteout replaces the lower one; likewise the other way round.
  BOOST_TEST(u.opaque("opt/old"));
  BOOST_TEST(slurp(u.diff / "opt/old/in") == "x");
  BOOST_TEST(u.opaque("srv/both"));
  BOOST_TEST(slurp(u.diff / "srv/both/kept") == "x");
  BOOST_TEST(slurp(u.diff / "usr/tool") == "v2");
  BOOST_TEST(u.whiteout("top"));
  BOOST_TEST(!fs::exists(u.diff / "usr/.wh..wh.plnk"));
  BOOST_TEST(!u.opaque("etc"));
}

BOOST_AUTO_TEST_CASE(later_entries_replace_earlier_ones) {
  unpacked u{{file("a", "1"), file("a", "2"), dir("d"), file("d/x"), soft("d", "a"), soft("l", "a"),
              file("l", "file"), file("f"), dir("f"), file("f/in")}};
  BOOST_REQUIRE_MESSAGE(u.result, u.why());
  BOOST_TEST(slurp(u.diff / "a") == "2");
  BOOST_TEST(fs::read_symlink(u.diff / "d") == "a");
  BOOST_TEST(S_ISREG(u.look("l").st_mode));
  BOOST_TEST(slurp(u.diff / "f/in") == "x");
}

BOOST_AUTO_TEST_CASE(links_lead_nowhere_outside) {
  temporary_directory victim;
  auto target = victim.path.string();
  unpacked u{{soft("abs", target), file("abs/one"), soft("up", "../../../../../../../.." + target),
              file("up/two"), soft("lib", "usr/lib"), file("lib/three"), soft("root", "/"), file("root/four"),
              soft("dots", "../../outside"), file("dots/secret", "overwritten")}};
  BOOST_REQUIRE_MESSAGE(u.result, u.why());
  BOOST_TEST(fs::is_empty(victim.path));
  BOOST_TEST(u.nothing_escaped());
  BOOST_TEST(slurp(u.diff / target.substr(1) / "one") == "x");
  BOOST_TEST(slurp(u.diff / target.substr(1) / "two") == "x");
  BOOST_TEST(slurp(u.diff / "usr/lib/three") == "x");
  BOOST_TEST(slurp(u.diff / "four") == "x");
}

BOOST_AUTO_TEST_CASE(absolute_paths_lie_below_the_root) {
  unpacked u{{file("/podium-escaped"), file("//etc//./passwd")}};
  BOOST_REQUIRE_MESSAGE(u.result, u.why());
  BOOST_TEST(slurp(u.diff / "podium-escaped") == "x");
  BOOST_TEST(slurp(u.diff / "etc/passwd") == "x");
  BOOST_TEST(u.nothing_escaped());
}

BOOST_AUTO_TEST_CASE(refuses_evil_entries) {
  const std::vector<tar_item> table[] = {
      {file("../outside/new")},
      {file("a/../../outside/new")},
      {file("..")},
      {hard("stolen", "../../outside/secret")},
      {hard("stolen", "/etc/passwd")},
      {soft("l", "/etc"), hard("stolen", "l/passwd")},
      {file(".")},
      {file("x/.wh...", "")},
      {file("x/.wh.", "")},
      {{.path = "zero", .type = AE_IFCHR, .content = {}}},
      {file("plain"), file("plain/below")},
      {soft("a", "b"), soft("b", "a"), file("a/x")},
      {{.path = "owner", .content = "x", .uid = 0xffffffffll}},
  };
  for (auto& items : table) {
    unpacked u{items};
    BOOST_TEST(!u.result, items.back().path);
    BOOST_TEST(u.nothing_escaped());
  }
}

BOOST_AUTO_TEST_CASE(bounds_hold) {
  auto zeros = file("zeros", std::string(4 << 20, '\0'));
  unpacked bomb{{zeros}, {.layer_bytes = 1 << 20}};
  BOOST_REQUIRE(!bomb.result);
  BOOST_TEST((code_of(bomb.result.error()) == errc::too_large));
  BOOST_TEST((!fs::exists(bomb.diff / "zeros") || fs::file_size(bomb.diff / "zeros") <= (1u << 20)));
  std::vector<tar_item> many;
  for (int i = 0; i < 20; ++i)
    many.push_back(file(std::to_string(i)));
  unpacked crowd{many, {.entries = 10}};
  BOOST_REQUIRE(!crowd.result);
  BOOST_TEST((code_of(crowd.result.error()) == errc::too_large));
  std::string deep;
  for (int i = 0; i < 3'000; ++i)
    deep += "a/";
  BOOST_TEST(!unpacked({file(deep + "x")}).result);
}

BOOST_AUTO_TEST_CASE(long_names_and_holes_are_kept) {
  std::string deep;
  for (int i = 0; i < 20; ++i)
    deep += std::string(100, static_cast<char>('a' + i)) + "/";
  unpacked u{{file(deep + std::string(255, 'n')), soft("link", deep + "target"),
              hard("same", deep + std::string(255, 'n'))}};
  BOOST_REQUIRE_MESSAGE(u.result, u.why());
  BOOST_TEST(slurp(u.diff / deep / std::string(255, 'n')) == "x");
  BOOST_TEST(slurp(u.diff / "same") == "x");
  BOOST_TEST(fs::read_symlink(u.diff / "link") == deep + "target");
  BOOST_TEST(!unpacked({file(std::string(256, 'n'))}).result);
  // Made by GNU tar of a file with a hole of 64 KiB.
  for (auto* kind : {"sparse-gnu", "sparse-posix"}) {
    unpacked sparse{slurp(fs::path{PODIUM_SOURCE_DIR} / "tests/fuzz/corpus/layer_fuzz" / kind)};
    BOOST_REQUIRE_MESSAGE(sparse.result, sparse.why());
    auto st = sparse.look("sparse");
    BOOST_TEST(st.st_size == 65'539);
    BOOST_TEST(st.st_blocks * 512 < 32'768);
    BOOST_TEST(slurp(sparse.diff / "sparse") == std::string(65'536, '\0') + "end");
  }
}

BOOST_AUTO_TEST_CASE(says_what_is_corrupt) {
  auto good = make_tar({file("a", std::string(100'000, 'a')), file("b")}, true);
  auto digest = digest_of(good);
  for (auto at : {size_t{0}, size_t{5}, good.size() / 2, good.size() - 3}) {
    auto bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x55);
    unpacked u{bad, digest};
    BOOST_REQUIRE(!u.result);
    BOOST_TEST(u.why().find("is corrupt: its content has digest sha256:") != std::string::npos, u.why());
  }
  unpacked cut{good.substr(0, good.size() / 2), digest};
  BOOST_TEST(cut.why().find("is corrupt") != std::string::npos, cut.why());
  unpacked junk{std::string(10'000, 'j')};
  BOOST_REQUIRE(!junk.result);
  BOOST_TEST((code_of(junk.result.error()) == errc::image_pull));
}

BOOST_AUTO_TEST_CASE(diff_id_is_of_the_archive) {
  std::vector<tar_item> items{dir("a"), file("a/b", std::string(300'000, 'q'))};
  unpacked u{items};
  BOOST_REQUIRE(u.result);
  BOOST_TEST(u.result->diff_id == digest_of(make_tar(items, false)));
  unpacked plain{make_tar(items, false)};
  BOOST_REQUIRE_MESSAGE(plain.result, plain.why());
  BOOST_TEST(plain.result->diff_id == u.result->diff_id);
  unpacked empty{std::vector<tar_item>{}};
  BOOST_TEST(empty.result.engaged(), empty.why());
}

BOOST_AUTO_TEST_SUITE_END()
