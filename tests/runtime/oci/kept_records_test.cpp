// A pod that has finished: its sandbox goes, the records and logs of its containers stay until it is deleted.
#include "oci_fixture.hpp"
#include "runtime/volume/mount_points.hpp"
#include <future>

using namespace podium;
namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

struct kept_fixture : test::oci_fixture {
  caf::expected<ack> retire(const std::string& uid) {
    return ask<ack>(podium::remove_sandbox{.pod_uid = uid, .keep_records = true});
  }
  runtime_records records() {
    auto r = ask<runtime_records>(list_runtime{});
    if (!r) throw std::runtime_error(message_of(r.error()));
    return *r;
  }
  void check_only_records_left() {
    BOOST_TEST(mounts_here() == 0u);
    auto cgroups = cgroup_tree::detect();
    BOOST_REQUIRE(cgroups);
    BOOST_TEST(cgroups->children(settings.cgroup_root).empty());
    BOOST_TEST(fs::is_empty(settings.run_root + "/oci"));
    BOOST_TEST(fs::is_empty(settings.run_root + "/exits"));
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(oci_kept_records, kept_fixture)

BOOST_AUTO_TEST_CASE(records_and_logs_outlive_the_sandbox_and_the_daemon) {
  BOOST_REQUIRE(make_pod("k1"));
  auto done = run(container("k1", "done", "echo the result; exit 3"));
  auto ended = end_of(done);
  auto runs = run(container("k1", "runs", "echo cut short; sleep 1000"));
  auto idle = container("k1", "idle", "true");
  BOOST_REQUIRE(ask<container_created>(idle)); // never started: nothing to keep of it
  auto id = found(done).id;
  BOOST_REQUIRE(retire("k1"));

  auto look = [&] {
    check_only_records_left();
    auto r = records();
    BOOST_TEST(r.sandboxes.empty());
    BOOST_REQUIRE(r.containers.size() == 2u);
    for (auto& c : r.containers)
      BOOST_TEST((c.phase == container_phase::exited));
    BOOST_TEST(r.containers[0].container_id == "podium://" + id);
    BOOST_TEST(r.containers[0].exit.exit_code == 3);
    BOOST_TEST((end_of(done).finished_at == ended.finished_at));
    BOOST_TEST(end_of(runs).exit_code == 137);
    BOOST_TEST(log_of(done) == "the result\n");
    BOOST_TEST(log_of(runs) == "cut short\n");
    BOOST_TEST(!fs::exists(settings.log_root + "/default_pod-k1_k1/idle/0.log"));
  };
  look();
  BOOST_REQUIRE(retire("k1")); // once more is the same
  look();
  runtime.reset();
  start_runtime();
  look();
  auto refused = ask<container_created>(container("k1", "done", "true", 1));
  BOOST_REQUIRE(!refused);
  BOOST_TEST(int(code_of(refused.error())) == int(errc::not_found)); // no sandbox

  BOOST_REQUIRE(remove_pod("k1"));
  BOOST_TEST(records().containers.empty());
  check_nothing_left();
}

BOOST_AUTO_TEST_CASE(a_pod_without_ended_containers_leaves_nothing) {
  BOOST_REQUIRE(make_pod("k2"));
  BOOST_REQUIRE(ask<container_created>(container("k2", "main", "true")));
  BOOST_REQUIRE(retire("k2"));
  check_nothing_left();
}

BOOST_AUTO_TEST_CASE(a_deletion_meanwhile_takes_the_records_along) {
  BOOST_REQUIRE(make_pod("k3"));
  run(container("k3", "main", "echo words; sleep 1000"));
  auto both = test::await<int>(
      loop,
      [&](auto done) {
        auto count = std::make_shared<int>(0);
        auto one = [count, done](caf::expected<ack> r) {
          BOOST_CHECK(r);
          if (++*count == 3) done(*count);
        };
        runtime->ask(podium::remove_sandbox{"k3", true}, one);
        runtime->ask(podium::remove_sandbox{"k3", true}, one);
        runtime->ask(podium::remove_sandbox{"k3", false}, one);
      },
      20s);
  BOOST_TEST(both == 3);
  check_nothing_left();
}

BOOST_AUTO_TEST_CASE(a_deletion_after_the_last_look_gets_a_round_of_its_own) {
  BOOST_REQUIRE(make_pod("k4"));
  end_of(run(container("k4", "main", "echo words")));
  auto order = test::await<std::string>(
      loop,
      [&](auto done) {
        auto text = std::make_shared<std::string>();
        runtime->ask(podium::remove_sandbox{"k4", true}, [=, this](caf::expected<ack> r) {
          BOOST_CHECK(r);
          *text += "kept ";
          runtime->ask(podium::remove_sandbox{"k4", false}, [=](caf::expected<ack> again) {
            BOOST_CHECK(again);
            *text += "gone";
            done(*text);
          });
        });
      },
      20s);
  BOOST_TEST(order == "kept gone");
  check_nothing_left();
}

BOOST_AUTO_TEST_CASE(a_container_that_cannot_be_made_does_not_hold_up_a_removal) {
  BOOST_REQUIRE(make_pod("k5"));
  auto broken = std::make_shared<image_record>(*image);
  broken->layers.front().directory = root + "/no-such-layer";
  image = broken;
  auto answers = test::await<int>(
      loop,
      [&](auto done) {
        auto count = std::make_shared<int>(0);
        runtime->ask(container("k5", "main", "true"), [=](caf::expected<container_created> r) {
          BOOST_CHECK(!r);
          ++*count;
        });
        runtime->ask(podium::remove_sandbox{"k5"}, [=](caf::expected<ack> r) {
          BOOST_CHECK(r);
          done(++*count);
        });
      },
      20s);
  BOOST_TEST(answers == 2);
}

// The records of another boot: what was running is over, what was never started is forgotten, and the pod is
// made anew over its records.
BOOST_AUTO_TEST_CASE(after_a_reboot_attempts_go_on) {
  BOOST_REQUIRE(make_pod("k7"));
  auto runs = run(container("k7", "runs", "echo before; sleep 1000"));
  auto over = run(container("k7", "over", "exit 4"));
  end_of(over);
  BOOST_REQUIRE(ask<container_created>(container("k7", "idle", "true")));
  runtime.reset();
  auto boot = boot_id();
  // By their names: what else is there may be under way still, since what has ended is stripped.
  for (auto* record : {"sandbox.json", "containers/runs/0/state.json", "containers/over/0/state.json",
                       "containers/idle/0/state.json"}) {
    auto path = settings.root + "/pods/k7/" + record;
    auto text = read_small_file(path);
    auto at = text.find(boot);
    BOOST_REQUIRE(at != text.npos);
    text.replace(at, boot.size(), "another-boot");
    BOOST_REQUIRE(!replace_file(path, text));
  }
  start_runtime();
  auto lost = end_of(runs);
  BOOST_TEST(lost.exit_code == 137);
  BOOST_TEST(lost.reason == "ContainerStatusUnknown");
  BOOST_TEST(end_of(over).exit_code == 4);
  auto r = records();
  BOOST_TEST(r.sandboxes.empty());
  BOOST_TEST(r.containers.size() == 2u);
  BOOST_REQUIRE(make_pod("k7"));
  auto stale = ask<container_created>(container("k7", "runs", "true", 0));
  BOOST_TEST(stale.engaged()); // known, and over
  BOOST_TEST(end_of(run(container("k7", "runs", "exit 5", 1))).exit_code == 5);
  // The one before keeps its record.
  BOOST_TEST(end_of({"k7", "runs", 0}).exit_code != 5);
  BOOST_TEST(log_of(run(container("k7", "idle", "sleep 1000"))) == "");
}

BOOST_AUTO_TEST_CASE(what_a_daemon_left_half_made_goes_at_the_next_start) {
  runtime.reset();
  fs::create_directories(settings.root + "/pods/k6/containers");
  fs::create_directories(settings.run_root + "/sandboxes/k6");
  fs::create_directories(settings.root + "/pods/k9/volumes/v"); // it had come no further
  start_runtime();
  // Whoever asks what there is makes pods next: they are gone before the answer.
  BOOST_TEST(records().sandboxes.empty());
  BOOST_TEST(!fs::exists(settings.root + "/pods/k6"));
  BOOST_TEST(!fs::exists(settings.root + "/pods/k9"));
  BOOST_TEST(fs::is_empty(settings.run_root + "/sandboxes"));
}

/// It has another run directory than the one before, or mounts of its own.
BOOST_AUTO_TEST_CASE(a_daemon_that_finds_the_record_alone_knows_that_the_sandbox_is_lost) {
  for (auto* part : {"/net", "/ipc", "/uts", "/shm"}) {
    BOOST_TEST_CONTEXT(part) {
      BOOST_REQUIRE(make_pod("k13"));
      runtime.reset();
      unmount_all(settings.run_root + "/sandboxes/k13" + part);
      start_runtime();
      BOOST_TEST(make_pod("k13")->lost == "the sandbox has lost its namespaces");
      BOOST_REQUIRE(remove_pod("k13"));
      BOOST_TEST(make_pod("k13")->lost == "");
      BOOST_REQUIRE(remove_pod("k13"));
    }
  }
}

/// The run directory is memory itself: that says nothing of what is mounted in it.
BOOST_AUTO_TEST_CASE(memory_of_a_pod_that_was_only_a_directory_is_mounted) {
  auto shm = settings.run_root + "/sandboxes/k12/shm";
  fs::create_directories(shm);
  BOOST_REQUIRE(make_pod("k12"));
  BOOST_TEST(is_mount_point(shm));
}

/// They are made before it.
BOOST_AUTO_TEST_CASE(a_sandbox_that_comes_to_nothing_leaves_the_volumes) {
  auto kept = settings.root + "/pods/k10/volumes/v/kept";
  fs::create_directories(kept);
  podium::create_sandbox request;
  request.pod_uid = "k10";
  request.pod_name = "pod-k10";
  request.pod_namespace = "default";
  request.sysctls = {{"no.such", "1"}};
  BOOST_TEST(!ask<sandbox_info>(request));
  BOOST_TEST(fs::exists(kept));
  BOOST_TEST(!fs::exists(settings.run_root + "/sandboxes/k10"));
  BOOST_REQUIRE(make_pod("k10"));
  BOOST_REQUIRE(ask<container_created>(container("k10", "main", "true")));
  BOOST_REQUIRE(retire("k10")); // as one that is lost before anything ran in it
  BOOST_TEST(fs::exists(kept));
  BOOST_TEST(!fs::exists(settings.root + "/pods/k10/sandbox.json"));
  BOOST_REQUIRE(make_pod("k10"));
  BOOST_REQUIRE(remove_pod("k10"));
  check_nothing_left();
}

BOOST_AUTO_TEST_CASE(who_wants_what_is_being_taken_away_gets_it_anew) {
  auto first = make_pod("k8");
  BOOST_REQUIRE(first);
  std::promise<caf::expected<ack>> removed;
  loop.run([&] {
    runtime->ask(remove_sandbox{"k8"}, [&](caf::expected<ack> x) { removed.set_value(std::move(x)); });
  });
  auto again = make_pod("k8");
  BOOST_TEST(removed.get_future().get().engaged());
  BOOST_REQUIRE(again);
  BOOST_TEST(again->id != first->id);
  BOOST_TEST(end_of(run(container("k8", "runs", "exit 5"))).exit_code == 5);
  // A removal that comes later wins.
  std::promise<caf::expected<sandbox_info>> made;
  std::promise<void> both;
  loop.run([&] {
    runtime->ask(remove_sandbox{"k8"}, [](caf::expected<ack>) {});
    podium::create_sandbox request;
    request.pod_uid = "k8";
    request.pod_name = "pod-k8";
    request.pod_namespace = "default";
    runtime->ask(request, [&](caf::expected<sandbox_info> x) { made.set_value(std::move(x)); });
    runtime->ask(remove_sandbox{"k8"}, [&](caf::expected<ack>) { both.set_value(); });
  });
  auto refused = made.get_future().get();
  BOOST_REQUIRE(!refused);
  BOOST_TEST((code_of(refused.error()) == errc::conflict));
  both.get_future().get();
  BOOST_TEST(ask<runtime_records>(list_runtime{"k8"})->sandboxes.empty());
}

BOOST_AUTO_TEST_SUITE_END()
