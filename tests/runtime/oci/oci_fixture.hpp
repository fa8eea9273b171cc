// Test support: a runtime with real crun and conmon in directories and cgroups of its own, an image of
// busybox, and a look for what is left at the end.
#pragma once
#include "../process/on_loop.hpp"
#include "core/error.hpp"
#include "runtime/oci/cgroup.hpp"
#include "runtime/oci/oci_runtime.hpp"
#include "runtime/oci/sandbox_files.hpp"
#include "runtime/oci/small_files.hpp"
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <unistd.h>

namespace podium::test {

namespace fs = std::filesystem;

/// A layer with busybox under all its names, an /etc/passwd, and a shell as its command.
inline image_ptr busybox_image(const std::string& directory) {
  fs::create_directories(directory + "/bin");
  for (auto* name : {"etc", "tmp", "root", "proc", "sys", "dev", "home/web"})
    fs::create_directories(directory + "/" + name);
  fs::permissions(directory + "/tmp", fs::perms::all | fs::perms::sticky_bit);
  fs::copy_file("/bin/busybox", directory + "/bin/busybox", fs::copy_options::overwrite_existing);
  for (auto* name : {"sh",   "echo",  "cat",   "sleep",  "ls",   "id",   "env",   "hostname", "head",
                     "wc",   "nc",    "touch", "rm",     "dd",   "kill", "ps",    "stty",     "tail",
                     "true", "false", "mount", "ip",     "ipcs", "date", "seq",   "printf",   "md5sum",
                     "pwd",  "mkdir", "test",  "usleep", "yes",  "grep", "setsid"})
    if (!fs::exists(fs::symlink_status(directory + "/bin/" + name)))
      fs::create_symlink("busybox", directory + "/bin/" + name);
  std::ofstream{directory + "/etc/passwd"}
      << "root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1001::/home/web:/bin/sh\n";
  std::ofstream{directory + "/etc/group"} << "root:x:0:\nweb:x:1001:\nextra:x:2000:web\n";
  auto image = std::make_shared<image_record>();
  image->id = "sha256:busybox";
  image->layers.push_back({"sha256:layer", directory, 0});
  image->config.cmd = {"sh"};
  image->config.env = {"PATH=/bin", "FROM_IMAGE=yes"};
  return image;
}

struct oci_fixture {
  std::string root = make_root("/tmp");
  std::string memory = make_root("/dev/shm"); ///< as /run is
  event_loop loop;
  std::unique_ptr<work_pool> pool = std::make_unique<work_pool>(loop, 2);
  std::unique_ptr<launcher> children = std::make_unique<launcher>(loop);
  oci_settings settings;
  image_ptr image = busybox_image(root + "/layer");
  std::unique_ptr<oci_runtime> runtime;
  std::set<std::string> uids;
  std::optional<pod_network_port> network; ///< of runtimes that are started from now on; none is lo alone

  oci_fixture() {
    settings.root = root + "/lib";
    settings.run_root = memory + "/run";
    settings.log_root = root + "/log";
    settings.cgroup_root = "/podium-test-" + std::to_string(::getpid());
    settings.hybrid_helper = std::string{PODIUM_BINARY_DIR} + "/podium-hybrid-cgroup";
    start_runtime();
  }

  ~oci_fixture() {
    if (!runtime) start_runtime(); // a test that failed between two
    for (auto& uid : uids) {
      auto removed = remove_pod(uid);
      BOOST_CHECK_MESSAGE(removed,
                          "removing pod " << uid << ": " << (removed ? "" : message_of(removed.error())));
    }
    check_nothing_left();
    runtime.reset();
    children.reset();
    pool.reset();
    loop.stop();
    if (auto cgroups = cgroup_tree::detect()) cgroups->remove(settings.cgroup_root);
    fs::remove_all(root);
    fs::remove_all(memory);
  }

  static std::string make_root(const std::string& where) {
    auto path = where + "/podium-oci-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) throw std::runtime_error("mkdtemp " + path);
    fs::permissions(path, fs::perms{0755});
    return path;
  }

  void start_runtime() {
    runtime = std::make_unique<oci_runtime>(
        loop, *pool, *children, settings,
        [this](const std::string& id) -> caf::expected<image_ptr> {
          if (id == image->id) return image;
          return make_error(errc::not_found, "no image " + id);
        },
        network ? *network : loopback_network(*pool));
    auto failed = await<caf::error>(loop, [&](auto done) { runtime->start(done); });
    if (failed) throw std::runtime_error(message_of(failed));
  }

  template <class Reply, class Request>
  caf::expected<Reply> ask(const Request& request, std::chrono::seconds limit = std::chrono::seconds{20}) {
    return await<caf::expected<Reply>>(
        loop,
        [&, request](auto done) {
          runtime->ask(request, [done](caf::expected<Reply> r) { done(std::move(r)); });
        },
        limit);
  }

  caf::expected<sandbox_info> make_pod(const std::string& uid) {
    uids.insert(uid);
    podium::create_sandbox request;
    request.pod_uid = uid;
    request.pod_name = "pod-" + uid;
    request.pod_namespace = "default";
    request.hostname = "host-" + uid;
    return ask<sandbox_info>(request);
  }
  caf::expected<ack> remove_pod(const std::string& uid) { return ask<ack>(podium::remove_sandbox{uid}); }

  podium::create_container container(const std::string& uid, const std::string& name, std::string script,
                                     uint32_t attempt = 0) {
    podium::create_container request;
    request.key = {uid, name, attempt};
    request.pod_name = "pod-" + uid;
    request.pod_namespace = "default";
    request.hostname = "host-" + uid;
    request.image = "busybox";
    request.image_id = image->id;
    request.spec.name = name;
    if (!script.empty()) request.spec.command = {"sh", "-c", std::move(script)};
    return request;
  }
  /// Creates and starts; throws what went wrong.
  container_key run(const podium::create_container& request) {
    auto created = ask<container_created>(request);
    if (!created) throw std::runtime_error("create: " + message_of(created.error()));
    auto started = ask<container_started>(start_container{request.key});
    if (!started) throw std::runtime_error("start: " + message_of(started.error()));
    return request.key;
  }
  container_exit end_of(const container_key& key) {
    auto e = ask<container_exit>(wait_container{key});
    if (!e) throw std::runtime_error("wait: " + message_of(e.error()));
    return *e;
  }
  caf::expected<exec_result> exec(const container_key& key, std::vector<std::string> argv,
                                  nanoseconds timeout = nanoseconds{0}) {
    return ask<exec_result>(exec_sync{key, std::move(argv), timeout});
  }
  running_container found(const container_key& key) {
    caf::expected<running_container> r{running_container{}};
    loop.run([&] { r = runtime->find(key.pod_uid, key.name); });
    if (!r) throw std::runtime_error(message_of(r.error()));
    return *r;
  }
  /// The words of a log, without stamps.
  std::string log_of(const container_key& key) {
    std::ifstream file{found(key).log_path};
    std::string line, text;
    while (std::getline(file, line)) {
      std::istringstream words{line};
      std::string time, stream, tag;
      words >> time >> stream >> tag;
      text += line.substr(std::min(line.size(), time.size() + stream.size() + tag.size() + 3)) + "\n";
    }
    return text;
  }

  size_t mounts_here() {
    std::ifstream mounts{"/proc/self/mountinfo"};
    size_t count = 0;
    for (std::string line; std::getline(mounts, line);)
      count += line.find(root) != std::string::npos || line.find(memory) != std::string::npos;
    return count;
  }
  /// Mounts, cgroups, child processes, directories.
  void check_nothing_left() {
    BOOST_TEST(mounts_here() == 0u);
    auto cgroups = cgroup_tree::detect();
    BOOST_REQUIRE(cgroups);
    BOOST_TEST(cgroups->children(settings.cgroup_root).empty());
    size_t left = 1;
    for (int i = 0; i < 100 && left != 0; ++i) { // a conmon may be on its last step
      left = await<size_t>(loop, [&](auto done) {
        loop.after(std::chrono::milliseconds{20}, [this, done] { done(children->children()); });
      });
    }
    BOOST_TEST(left == 0u);
    for (auto& directory : {settings.root + "/pods", settings.run_root + "/sandboxes",
                            settings.run_root + "/exits", settings.run_root + "/oci", settings.log_root}) {
      BOOST_TEST_INFO(directory);
      BOOST_TEST(fs::is_empty(directory));
    }
  }
};

} // namespace podium::test
