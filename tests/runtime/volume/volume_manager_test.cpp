// The volume port beside a disk that hangs: who waits for it, and who does not.
#include "runtime/volume/volume_manager.hpp"

#include "core/error.hpp"
#include "runtime/process/unique_fd.hpp"
#include "runtime/volume/mount_points.hpp"

#include <boost/test/unit_test.hpp>
#include <fcntl.h>
#include <filesystem>
#include <sys/mount.h>
#include <unistd.h>

using namespace podium;
namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

constexpr auto limit = 20s;

/// A file system whose server says nothing: whoever looks into it waits until answer().
class hung_disk {
public:
  explicit hung_disk(fs::path at) : at_(std::move(at)) {
    fs::create_directories(at_);
    device_ = unique_fd{::open("/dev/fuse", O_RDWR | O_CLOEXEC)};
    auto options = "fd=" + std::to_string(device_.get()) + ",rootmode=40000,user_id=0,group_id=0";
    BOOST_REQUIRE(::mount("hung", at_.c_str(), "fuse", 0, options.c_str()) == 0);
  }
  ~hung_disk() {
    answer();
    unmount_all(at_);
  }
  /// Whoever waits gets an error.
  void answer() { device_ = unique_fd{}; }
  std::string path(const char* name) const { return at_ / name; }

private:
  fs::path at_;
  unique_fd device_;
};

struct world {
  world() {
    char name[] = "/tmp/podium-volume-test-XXXXXX";
    root = ::mkdtemp(name);
    settings = {root / "data", root / "run"};
    hung.emplace(root / "hung");
    port = spawn_volume_manager(system, env, loop, settings);
  }
  ~world() {
    end_port();
    hung.reset();
    system.await_all_actors_done();
    loop.stop();
    remove_with_mounts(root);
  }

  void end_port() {
    if (!port) return;
    caf::scoped_actor self{system};
    self->monitor(port);
    caf::anon_send_exit(std::exchange(port, nullptr), caf::exit_reason::user_shutdown);
    self->receive([](caf::down_msg&) {});
  }
  template <class Reply, class Message>
  caf::expected<Reply> ask(Message message) {
    caf::scoped_actor self{system};
    caf::expected<Reply> out = caf::make_error(caf::sec::request_timeout);
    self->request(port, limit, std::move(message))
        .receive([&](Reply& reply) { out = std::move(reply); },
                 [&](caf::error& err) { out = std::move(err); });
    return out;
  }
  set_volumes request(const std::string& uid, std::vector<volume_wish> wishes) {
    fs::create_directories(root / "data/pods");
    return {uid, -1, false, std::move(wishes)};
  }
  volume_wish stuck(const char* name = "stuck", const char* path = "x") {
    volume_wish wish{.name = name, .kind = volume_kind::host_path};
    wish.path = hung->path(path);
    wish.type = "DirectoryOrCreate";
    return wish;
  }

  fs::path root;
  volume_settings settings;
  event_loop loop;
  caf::actor_system_config cfg;
  caf::actor_system system{cfg};
  env_ptr env = std::make_shared<actor_env>(1, nanoseconds{0});
  std::optional<hung_disk> hung;
  volume_manager_actor port;
};

template <class T>
std::string why(const caf::expected<T>& result) {
  return result ? "" : caf::to_string(result.error());
}

const volume_wish own{.name = "own", .kind = volume_kind::directory};

} // namespace

BOOST_AUTO_TEST_SUITE(volume_manager_works)

BOOST_AUTO_TEST_CASE(paths_that_hang_hold_up_no_other_pod) {
  world w;
  caf::scoped_actor self{w.system};
  for (int i = 0; i < 12; ++i)
    self->send(w.port, w.request("hung-" + std::to_string(i), {w.stuck("stuck", std::to_string(i).c_str())}));
  auto made = w.ask<volumes_set>(w.request("free", {own}));
  BOOST_REQUIRE_MESSAGE(made, why(made));
  BOOST_TEST(made->volumes.at(0).error == "");
  BOOST_TEST(fs::is_directory(made->volumes.at(0).path));
}

BOOST_AUTO_TEST_CASE(a_pod_ends_while_one_of_its_paths_hangs) {
  world w;
  caf::scoped_actor self{w.system};
  self->send(w.port, w.request("p", {own, w.stuck()}));
  auto gone = w.ask<ack>(remove_volumes{"p"});
  BOOST_REQUIRE_MESSAGE(gone, why(gone));
  BOOST_TEST(!fs::exists(w.root / "data/pods/p/volumes/own"));
}

/// A question may come late, or twice.
BOOST_AUTO_TEST_CASE(nothing_is_made_of_a_pod_that_has_ended) {
  world w;
  BOOST_REQUIRE(w.ask<volumes_set>(w.request("p", {own})));
  BOOST_REQUIRE(w.ask<ack>(remove_volumes{"p"}));
  auto late = w.ask<volumes_set>(w.request("p", {own}));
  BOOST_TEST(why(late).find("has ended") != std::string::npos, why(late));
  BOOST_TEST(!fs::exists(w.root / "data/pods/p"));
}

BOOST_AUTO_TEST_CASE(an_answer_names_every_volume_once_all_are_known) {
  world w;
  caf::scoped_actor self{w.system};
  bool answered = false;
  self->send(w.port, w.request("q", {w.stuck("other")})); // the same path: q's turn comes first
  auto both = self->request(w.port, limit, w.request("p", {own, w.stuck()}));
  BOOST_REQUIRE(w.ask<volume_usage>(get_volume_usage{"p"}));
  w.hung->answer();
  both.receive(
      [&](volumes_set& made) {
        answered = true;
        BOOST_REQUIRE(made.volumes.size() == 2u);
        for (auto& place : made.volumes)
          BOOST_TEST((place.error.empty() == (place.name == "own")), place.name << ": " << place.error);
      },
      [&](caf::error& err) { BOOST_ERROR(caf::to_string(err)); });
  BOOST_TEST(answered);
}

BOOST_AUTO_TEST_CASE(the_port_ends_while_a_path_hangs) {
  world w;
  caf::scoped_actor self{w.system};
  self->send(w.port, w.request("p", {w.stuck()}));
  self->send(w.port, w.request("r", {w.stuck()})); // waits for the same path
  BOOST_REQUIRE(w.ask<volumes_set>(w.request("q", {own})));
  w.end_port();
  BOOST_TEST(bool(w.hung)); // still hanging
}

BOOST_AUTO_TEST_SUITE_END()
