#include "core/error.hpp"
#include "image_world.hpp"
#include "runtime/image/image_files.hpp"
#include "runtime/image/image_store.hpp"
#include "runtime/image/manifest.hpp"
#include "runtime/image/skopeo.hpp"
#include "runtime/oci/small_files.hpp"
#include "runtime/process/launcher.hpp"
#include "runtime/process/process_tree.hpp"
#include <arpa/inet.h>
#include <atomic>
#include <barrier>
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <future>
#include <optional>
#include <poll.h>
#include <set>
#include <sstream>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>

using namespace podium;
using namespace podium::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(image_store_suite)

BOOST_AUTO_TEST_CASE(pulls_busybox_from_the_layout_that_setup_makes) {
  world w;
  auto script = std::string{PODIUM_SOURCE_DIR} + "/packaging/make-busybox-layout.sh";
  auto made = (w.dir.path / "made").string();
  BOOST_REQUIRE(std::system((script + " " + made).c_str()) == 0);
  BOOST_REQUIRE(std::system((script + " " + made + "2 && diff -r " + made + " " + made + "2").c_str()) == 0);
  w.settings.registries["docker.io"].mirrors = {{.location = "oci:" + made}};
  w.open();
  auto image = w.pull("busybox");
  BOOST_REQUIRE_MESSAGE(image, why(image));
  auto& bb = **image;
  BOOST_TEST(is_sha256_digest(bb.id));
  BOOST_TEST(bb.names == std::vector<std::string>{"docker.io/library/busybox:latest"});
  BOOST_TEST(bb.repo_digest("docker.io/library/busybox:latest")
             == "docker.io/library/busybox@" + bb.manifest_digest);
  BOOST_TEST(bb.config.cmd == std::vector<std::string>{"sh"});
  BOOST_REQUIRE(bb.config.env.size() == 1u);
  BOOST_TEST(bb.config.env[0].starts_with("PATH="));
  BOOST_REQUIRE(bb.layers.size() == 1u);
  auto root = bb.layers[0].directory;
  BOOST_TEST(fs::hard_link_count(root / "bin/sh") > 100u);
  BOOST_TEST((fs::status(root / "tmp").permissions() == fs::perms{01777}));
  BOOST_TEST(fs::exists(root / "etc/passwd"));
  BOOST_TEST(fs::is_directory(root / "root"));
  BOOST_TEST(bb.size_bytes > 500'000u);
  BOOST_TEST(bb.size_bytes < 10'000'000u);
  BOOST_TEST(w.find("docker.io/library/busybox").engaged());
  BOOST_TEST(w.find("busybox@" + bb.manifest_digest).engaged());
  BOOST_TEST(w.find(bb.id).engaged());
  BOOST_TEST((code_of(w.find("nginx").error()) == errc::not_found));
  BOOST_TEST((code_of(w.find("Nginx").error()) == errc::image_name));
  // The index that is written out a while later passes through tmp, too.
  BOOST_TEST(!w.write_out());
  w.settle();
  BOOST_TEST(w.count("tmp") == 0u);
}

BOOST_AUTO_TEST_CASE(unpacked_layers_work_as_an_overlay) {
  world w;
  w.mirror.add("docker.io/me/app:v1",
               {{dir("etc"), file("etc/gone"), file("etc/kept", "1"), dir("var"), file("var/old")},
                {file("etc/.wh.gone", ""), file("etc/kept", "2"), dir("var"), file("var/.wh..wh..opq", ""),
                 file("var/new")}});
  w.open();
  auto image = w.pull("me/app:v1");
  BOOST_REQUIRE_MESSAGE(image, why(image));
  auto merged = w.dir.path / "merged";
  fs::create_directory(merged);
  auto& layers = (*image)->layers;
  auto options = "lowerdir=" + layers[1].directory.string() + ":" + layers[0].directory.string();
  BOOST_REQUIRE(::mount("overlay", merged.c_str(), "overlay", MS_RDONLY, options.c_str()) == 0);
  std::set<std::string> seen;
  for (auto& entry : fs::recursive_directory_iterator(merged))
    seen.insert(fs::relative(entry.path(), merged).string());
  auto kept = slurp(merged / "etc/kept");
  ::umount2(merged.c_str(), MNT_DETACH);
  BOOST_TEST(seen == (std::set<std::string>{"etc", "etc/kept", "var", "var/new"}),
             boost::test_tools::per_element());
  BOOST_TEST(kept == "2");
}

BOOST_AUTO_TEST_CASE(images_share_layers_and_leave_them) {
  world w;
  std::vector<tar_item> base{file("base", "b")};
  w.mirror.add("docker.io/me/one:latest", {base, {file("one")}},
               {{"User", "7:8"}, {"StopSignal", "SIGQUIT"}});
  w.mirror.add("docker.io/me/two:latest", {base, {file("two")}},
               {{"Entrypoint", {"/two"}},
                {"WorkingDir", "/w"},
                {"ExposedPorts", {{"80/tcp", boost::json::object{}}}}});
  w.open();
  auto one = w.pull("me/one");
  auto two = w.pull("me/two");
  BOOST_REQUIRE_MESSAGE(one, why(one));
  BOOST_REQUIRE_MESSAGE(two, why(two));
  BOOST_TEST((*one)->layers[0].directory == (*two)->layers[0].directory);
  BOOST_TEST((*one)->config.user == "7:8");
  BOOST_TEST((*one)->config.stop_signal == "SIGQUIT");
  BOOST_TEST((*two)->config.exposed_ports == std::vector<std::string>{"80/tcp"});
  BOOST_TEST(w.count("layers") == 3u);
  auto in_use = w.remove((*one)->id, {(*one)->id});
  BOOST_TEST((code_of(in_use) == errc::conflict));
  BOOST_TEST(!w.remove((*one)->id));
  BOOST_TEST(w.count("layers") == 2u);
  BOOST_TEST(fs::exists((*two)->layers[0].directory / "base"));
  BOOST_TEST(!w.find("me/one").engaged());
  BOOST_TEST(!w.remove((*two)->id));
  BOOST_TEST(w.count("layers") == 0u);
  BOOST_TEST(w.count("blobs/sha256") == 0u);
  BOOST_TEST((code_of(w.remove((*two)->id)) == errc::not_found));
}

BOOST_AUTO_TEST_CASE(a_moved_tag_moves_here_too_and_survives_a_restart) {
  world w;
  auto first = w.mirror.add("docker.io/me/app:latest", {{file("v", "1")}});
  w.open();
  auto v1 = w.pull("me/app");
  BOOST_REQUIRE_MESSAGE(v1, why(v1));
  auto second = w.mirror.add("docker.io/me/app:latest", {{file("v", "2")}});
  BOOST_TEST((*w.find("me/app"))->id == first.config);
  auto v2 = w.pull("me/app");
  BOOST_REQUIRE_MESSAGE(v2, why(v2));
  BOOST_TEST((*v2)->id == second.config);
  BOOST_TEST((*w.find("me/app"))->id == second.config);
  BOOST_TEST((*w.find(first.config))->names.empty());
  w.open();
  BOOST_TEST((*w.find("me/app:latest"))->id == second.config);
  BOOST_TEST((*w.find("me/app@" + first.manifest))->id == first.config);
  BOOST_TEST((*w.find("me/app"))->size_bytes == 1u);
  w.loop.run([&] { BOOST_TEST(w.store->list().size() == 2u); });
}

BOOST_AUTO_TEST_CASE(an_unchanged_image_is_not_copied_again) {
  world w;
  w.mirror.add("latest", {{file("v")}});
  w.open();
  BOOST_REQUIRE(w.pull("me/app").engaged());
  // Without skopeo only a pull that needs no copy can succeed.
  w.settings.skopeo = "/nonexistent/skopeo";
  w.open();
  auto again = w.pull("me/app");
  BOOST_TEST(again.engaged(), why(again));
  w.mirror.add("latest", {{file("v", "2")}});
  auto changed = w.pull("me/app");
  BOOST_REQUIRE(!changed);
  BOOST_TEST((code_of(changed.error()) == errc::image_pull));
}

BOOST_AUTO_TEST_CASE(requests_for_one_image_share_a_pull) {
  world w;
  w.mirror.add("docker.io/me/app:latest", {{file("v")}});
  w.open();
  std::promise<void> all;
  int answers = 0, good = 0;
  w.loop.post([&] {
    for (int i = 0; i < 5; ++i)
      w.store->pull(i % 2 ? "me/app" : "docker.io/me/app:latest", {}, [&](caf::expected<image_ptr> x) {
        good += x.engaged();
        if (++answers == 5) all.set_value();
      });
  });
  all.get_future().get();
  BOOST_TEST(good == 5);
}

namespace {

/// Takes connections and says nothing.
struct silent_registry {
  unique_fd socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::string host;
  silent_registry() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    BOOST_REQUIRE(::bind(socket.get(), any, size) == 0);
    BOOST_REQUIRE(::listen(socket.get(), 64) == 0);
    BOOST_REQUIRE(::getsockname(socket.get(), any, &size) == 0);
    host = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
};

/// False when nothing has come within half a minute. Children that end interrupt it.
bool readable(const unique_fd& fd) {
  pollfd come{fd.get(), POLLIN, 0};
  int n = 0;
  do {
    n = ::poll(&come, 1, 30'000);
  } while (n < 0 && errno == EINTR);
  return n == 1;
}

} // namespace

BOOST_AUTO_TEST_CASE(an_image_in_a_layout_waits_for_no_registry) {
  world w;
  silent_registry registry;
  w.mirror.add("docker.io/me/app:v1", {{file("a", "1")}});
  w.settings.parallel_pulls = 1;
  w.settings.registries["docker.io"].mirrors.push_back({.location = "http://" + registry.host});
  w.open();
  std::vector<uint64_t> hanging;
  for (auto* name : {"me/none1", "me/none2"})
    w.loop.run([&] { hanging.push_back(w.store->pull(name, {}, [](const auto&) {})); });
  BOOST_REQUIRE(readable(registry.socket));
  auto image = w.pull("me/app:v1");
  BOOST_REQUIRE_MESSAGE(image, why(image));
  // One is being fetched, the other waits for its turn: there is nothing to tell of it.
  w.loop.run([&] {
    BOOST_TEST(w.store->progress("me/none1").engaged() != w.store->progress("me/none2").engaged());
    for (auto id : hanging)
      w.store->withdraw(id);
  });
  // Nobody of this test is to be taken for a child of the next one.
  size_t left = 1;
  while (left != 0) {
    w.wait<int>([&](auto done) { w.loop.after(10ms, [done] { done(0); }); });
    w.loop.run([&] { left = w.children->children(); });
  }
}

BOOST_AUTO_TEST_CASE(a_pull_that_nobody_waits_for_any_more_is_given_up) {
  world w;
  silent_registry registry;
  w.settings.parallel_pulls = 1;
  w.open();
  std::atomic<int> answers = 0;
  auto begin = [&](const std::string& name) {
    uint64_t id = 0;
    w.loop.run([&] { id = w.store->pull(registry.host + "/" + name, {}, [&](const auto&) { ++answers; }); });
    BOOST_TEST(id != 0u);
    return id;
  };
  auto withdraw = [&](uint64_t id) { w.loop.run([&] { w.store->withdraw(id); }); };
  auto fetching = [&] {
    size_t n = 0;
    w.loop.run([&] { n = w.children->children(); });
    return n;
  };
  auto a = begin("a");
  BOOST_REQUIRE(readable(registry.socket));
  auto also_a = begin("a");
  auto b = begin("b"), c = begin("c"); // they wait for their turns
  withdraw(a);
  withdraw(b);
  BOOST_TEST(fetching() == 1u);
  // The last one: what fetches it is killed, and the next in line has its place. That is the one behind b.
  auto first = descendants_of(::getpid()).at(1);
  auto ended = open_pidfd(first);
  BOOST_REQUIRE(ended);
  withdraw(also_a);
  BOOST_REQUIRE(readable(*ended));
  // Its end is told to the loop in its own time.
  auto a_moment = [&] { w.wait<int>([&](auto done) { w.loop.after(10ms, [done] { done(0); }); }); };
  auto wanted = registry.host + "/c";
  std::string arguments;
  for (int i = 0; i < 3000 && arguments.find(wanted) == arguments.npos; ++i) {
    auto found = descendants_of(::getpid());
    if (found.size() == 2) arguments = read_small_file("/proc/" + std::to_string(found[1]) + "/cmdline");
    a_moment();
  }
  BOOST_TEST(arguments.find(wanted) != std::string::npos);
  withdraw(c);
  withdraw(c); // unknown by now
  // What it had fetched goes a moment after it.
  for (int i = 0; i < 3000 && (fetching() != 0 || w.count("tmp") != 0); ++i)
    a_moment();
  BOOST_TEST(fetching() == 0u);
  BOOST_TEST(w.count("tmp") == 0u);
  BOOST_TEST(answers == 0);
}

BOOST_AUTO_TEST_CASE(failures_name_the_image_and_the_reason) {
  world w;
  w.mirror.add("docker.io/me/app:latest", {{file("v")}});
  w.open();
  auto missing = w.pull("me/other");
  BOOST_REQUIRE(!missing);
  BOOST_TEST((code_of(missing.error()) == errc::image_pull));
  BOOST_TEST(why(missing)
             == "failed to pull image \"docker.io/me/other:latest\": not in the layout "
                    + w.mirror.path.string());
  BOOST_TEST((code_of(w.pull("UPPER").error()) == errc::image_name));
  // Port 1 of loopback refuses at once.
  auto refused = w.pull("127.0.0.1:1/app");
  BOOST_REQUIRE(!refused);
  BOOST_TEST(why(refused).find("connection refused") != std::string::npos, why(refused));
  BOOST_TEST(why(refused).size() < 1'200u);
}

BOOST_AUTO_TEST_CASE(a_corrupt_mirror_is_found_out) {
  world w;
  auto made = w.mirror.add("docker.io/me/app:latest", {{file("v", std::string(50'000, 'v'))}});
  auto path = w.mirror.blob_path(made.layers[0]);
  auto good = slurp(path);
  auto bad = good;
  bad[bad.size() / 2] = static_cast<char>(bad[bad.size() / 2] ^ 1);
  write_file(path, bad);
  w.open();
  auto image = w.pull("me/app");
  BOOST_REQUIRE(!image);
  BOOST_TEST((code_of(image.error()) == errc::image_pull));
  BOOST_TEST(w.count("layers") == 0u);
  write_file(path, good);
  image = w.pull("me/app");
  BOOST_TEST(image.engaged(), why(image));
}

BOOST_AUTO_TEST_CASE(a_corrupt_blob_of_the_store_is_fetched_anew) {
  world w;
  auto base = std::vector<tar_item>{file("base", std::string(50'000, 'b'))};
  auto made = w.mirror.add("docker.io/me/app:latest", {base});
  w.open();
  // Skopeo takes what lies there under the right name for the right thing.
  write_file(w.settings.root / "blobs/sha256" / made.layers[0].substr(7), "not it");
  auto image = w.pull("me/app");
  BOOST_REQUIRE_MESSAGE(image, why(image));
  BOOST_TEST(slurp((*image)->layers[0].directory / "base").size() == 50'000u);
}

BOOST_AUTO_TEST_CASE(a_wrong_diff_id_is_refused) {
  world w;
  w.mirror.add("docker.io/me/app:latest", {{file("v")}}, {}, "sha256:" + std::string(64, '0'));
  w.open();
  auto image = w.pull("me/app");
  BOOST_REQUIRE(!image);
  BOOST_TEST(why(image).find("the image's configuration says sha256:0000") != std::string::npos, why(image));
  BOOST_TEST(w.count("layers") == 0u);
}

BOOST_AUTO_TEST_CASE(documents_are_checked) {
  const char* manifests[] = {"",
                             "[]",
                             "{}",
                             "{\"config\":{}}",
                             "{\"config\":{\"digest\":\"sha256:x\"},\"layers\":[]}",
                             "{\"config\":1,\"layers\":2}"};
  for (auto* text : manifests) {
    BOOST_TEST(!parse_manifest(text).engaged(), text);
    BOOST_TEST(!parse_layout_index(text).engaged(), text);
  }
  auto ok = R"({"rootfs":{"diff_ids":[]},"config":)";
  for (auto* config : {"1", "{\"Env\":\"x\"}", "{\"Cmd\":[1]}", "{\"User\":7}", "{\"Cmd\":[\"a\\u0000b\"]}"})
    BOOST_TEST(!parse_image_document(ok + std::string{config} + "}").engaged(), config);
  BOOST_TEST(parse_image_document(ok + std::string{"null}"}).engaged());
  BOOST_TEST(!parse_image_document("{\"rootfs\":{\"diff_ids\":[\"../../x\"]}}").engaged());
}

BOOST_AUTO_TEST_CASE(sources_and_commands) {
  image_settings s;
  s.root = "/s";
  s.policy_file = "/p.json";
  s.registries["docker.io"] = {.mirrors = {{.location = "http://127.0.0.1:5000/proxy/"}}};
  auto sources = sources_for(s, "docker.io");
  BOOST_REQUIRE(sources.size() == 2u);
  BOOST_TEST(sources[1].location == "docker.io");
  BOOST_TEST(sources_for(s, "ghcr.io").size() == 1u);
  // Only what stays on this machine may be plain HTTP unasked.
  for (auto* host : {"localhost", "localhost:5000", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000"})
    BOOST_TEST(!sources_for(s, host).at(0).tls_verify, host);
  for (auto* host : {"ghcr.io", "localhost.example", "128.0.0.1:5000", "127.0.0.1.example", "[::2]:5000"})
    BOOST_TEST(sources_for(s, host).at(0).tls_verify, host);
  s.registries["own:5000"] = {.mirrors = {{.location = "http://own:5000", .tls_verify = false}}};
  BOOST_TEST(sources_for(s, "own:5000").size() == 1u);
  auto ref = *parse_image_reference("busybox:1@sha256:" + std::string(64, 'a'));
  auto argv = skopeo_copy_command(s, sources[0], ref, "", "/s/tmp/x", "/s/blobs", "/auth");
  std::vector<std::string> expected{"skopeo",
                                    "--policy",
                                    "/p.json",
                                    "copy",
                                    "--quiet",
                                    "--dest-shared-blob-dir",
                                    "/s/blobs",
                                    "--src-authfile",
                                    "/auth",
                                    "--src-tls-verify=false",
                                    "docker://127.0.0.1:5000/proxy/library/busybox@sha256:"
                                        + std::string(64, 'a'),
                                    "oci:/s/tmp/x:image"};
  BOOST_TEST(argv == expected, boost::test_tools::per_element());
  BOOST_TEST(skopeo_error("time=\"x\" level=info msg=a\ntime=\"x\" level=fatal msg=\"no \\\"y\\\" in z\"\n")
             == "no \"y\" in z");
  BOOST_TEST(skopeo_error("a\nlast line\n") == "last line");
  BOOST_TEST(skopeo_error("").size() > 0u);
}

BOOST_AUTO_TEST_SUITE_END()
