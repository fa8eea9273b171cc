#include "actors/volume_binder.hpp"

#include "tests/actors/registry_world.hpp"

#include <set>

using namespace podium;
using namespace podium::test;

namespace {

/// Directories that are only remembered.
struct directories {
  std::set<std::string> there;
  int failures = 0; ///< how many of the next requests fail
};

class fake_volumes : public base_actor<volume_manager_actor> {
public:
  fake_volumes(caf::actor_config& cfg, env_ptr actor_env, std::shared_ptr<directories> all)
      : base_actor(cfg, std::move(actor_env), "volumes"), all_(std::move(all)) {}

protected:
  behavior_type handlers() override {
    return {[](const set_volumes&) { return volumes_set{}; }, [](const remove_volumes&) { return ack{}; },
            [](const get_volume_usage&) { return volume_usage{}; },
            [this](const make_volume_directory& r) -> caf::result<volume_directory> {
              if (all_->failures > 0) {
                --all_->failures;
                return make_error(errc::no_space, "the disk is full");
              }
              if (r.remove)
                all_->there.erase(r.volume_name);
              else
                all_->there.insert(r.volume_name);
              return volume_directory{"/volumes/" + r.volume_name};
            }};
  }

private:
  const std::shared_ptr<directories> all_;
};

struct world : registry_world {
  std::shared_ptr<directories> disk_of_volumes = std::make_shared<directories>();
  volume_manager_actor volumes;
  volume_binder_actor binder;

  world() {
    volumes = sys->spawn<fake_volumes>(env, disk_of_volumes);
    start_binder();
  }
  ~world() {
    end_binder();
    caf::anon_send_exit(volumes, caf::exit_reason::kill);
    volumes = nullptr;
    run_for(0s);
  }
  void start_binder() {
    volume_binder_settings s;
    s.registry = registry;
    s.volumes = volumes;
    s.node_name = "n1";
    s.store = store;
    binder = spawn_volume_binder(*sys, env, s);
    run_for(1ms);
  }
  void end_binder() {
    caf::anon_send_exit(binder, caf::exit_reason::kill);
    binder = nullptr;
    run_for(0s);
  }
  /// As a daemon that was killed: only what is in the store remains.
  void live_again() {
    end_binder();
    stop();
    start();
    start_binder();
  }

  static object_key claim_key(const std::string& name) { return {"persistentvolumeclaims", "default", name}; }
  static object_key volume_key(const std::string& name) { return {"persistentvolumes", "", name}; }

  void make_claim(const std::string& name, const std::string& storage_class) {
    json::object spec{{"accessModes", json::array{"ReadWriteOnce"}},
                      {"resources", {{"requests", {{"storage", "1Gi"}}}}},
                      {"storageClassName", storage_class}};
    json::object meta{{"name", name}};
    meta["finalizers"] = json::array{json::value("kubernetes.io/pvc-protection")};
    create(claim_key(name), {{"metadata", std::move(meta)}, {"spec", std::move(spec)}});
    run_for(1ms);
  }
  void make_volume(const std::string& name, const std::string& storage_class) {
    json::object spec{{"accessModes", json::array{"ReadWriteOnce"}},
                      {"capacity", {{"storage", "2Gi"}}},
                      {"storageClassName", storage_class},
                      {"persistentVolumeReclaimPolicy", "Retain"},
                      {"hostPath", {{"path", "/srv"}}}};
    create(volume_key(name), {{"metadata", {{"name", name}}}, {"spec", std::move(spec)}});
    run_for(1ms);
  }
  void make_user(const std::string& name, const std::string& claim) {
    json::object volume{{"name", "data"}, {"persistentVolumeClaim", {{"claimName", claim}}}};
    create(pod_key(name), pod_document(name, {{"volumes", json::array{json::value(std::move(volume))}}}));
    run_for(1ms);
  }
  std::string phase(const object_key& key) const { return at(find(key), "/status/phase"); }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(volume_binder_suite, world)

const object_key standard{"storageclasses.storage.k8s.io", "", "standard"};

BOOST_AUTO_TEST_CASE(the_default_class_is_made_once_in_a_cluster_s_life) {
  BOOST_TEST(at(find(standard), "/provisioner") == "podium.io/host-directory");
  live_again();
  BOOST_TEST(bool(find(standard)));
  remove(standard);
  run_for(3min); // who takes it away does not get it back
  BOOST_TEST(!find(standard));
  for (int life = 0; life < 2; ++life) {
    live_again();
    BOOST_TEST(!find(standard), "life " << life);
  }
}

BOOST_AUTO_TEST_CASE(no_default_class_is_made_beside_another_one) {
  end_binder();
  remove(standard);
  disk->rows.erase("/podium/default-storage-class"); // a cluster in which it was never made
  json::object meta{{"name", "mine"}};
  meta["annotations"] = {{"storageclass.kubernetes.io/is-default-class", "true"}};
  create({"storageclasses.storage.k8s.io", "", "mine"},
         {{"metadata", std::move(meta)}, {"provisioner", "example.com/x"}});
  live_again();
  run_for(1s);
  BOOST_TEST(!find(standard));
  remove({"storageclasses.storage.k8s.io", "", "mine"});
  live_again();
  BOOST_TEST(!find(standard));
}

BOOST_AUTO_TEST_CASE(a_directory_is_made_for_the_first_consumer_and_goes_with_the_claim) {
  make_claim("data", "standard");
  BOOST_TEST(at(find(claim_key("data")), "/spec/volumeName") == "");
  make_user("p", "data");
  BOOST_TEST(phase(claim_key("data")) == "Bound");
  auto name = at(find(claim_key("data")), "/spec/volumeName");
  BOOST_TEST(disk_of_volumes->there.count(name) == 1U);
  BOOST_TEST(phase(volume_key(name)) == "Bound");
  BOOST_TEST(at(find(volume_key(name)), "/spec/hostPath/path") == "/volumes/" + name);
  bind("p", "n1");
  remove(claim_key("data"));
  run_for(2s);
  BOOST_TEST(bool(find(claim_key("data")))); // a pod on a node holds it
  remove(pod_key("p"), 0);
  run_for(5s);
  BOOST_TEST(!find(claim_key("data")));
  BOOST_TEST(!find(volume_key(name)));
  BOOST_TEST(disk_of_volumes->there.empty());
}

BOOST_AUTO_TEST_CASE(a_volume_made_by_hand_is_bound_and_released) {
  make_volume("v", "hand");
  BOOST_TEST(phase(volume_key("v")) == "Available");
  make_claim("data", "hand");
  BOOST_TEST(phase(claim_key("data")) == "Bound");
  BOOST_TEST(phase(volume_key("v")) == "Bound");
  BOOST_TEST(at(find(claim_key("data")), "/status/capacity/storage") == "2Gi");
  remove(claim_key("data"));
  run_for(2s);
  BOOST_TEST(!find(claim_key("data")));
  BOOST_TEST(phase(volume_key("v")) == "Released");
}

BOOST_AUTO_TEST_CASE(two_claims_never_share_a_volume) {
  make_claim("a", "hand");
  make_claim("b", "hand");
  make_volume("v", "hand");
  run_for(3s);
  BOOST_TEST((phase(claim_key("a")) == "Bound") != (phase(claim_key("b")) == "Bound"));
  make_volume("w", "hand");
  run_for(3s);
  BOOST_TEST(phase(claim_key("a")) == "Bound");
  BOOST_TEST(phase(claim_key("b")) == "Bound");
}

BOOST_AUTO_TEST_CASE(a_full_disk_is_tried_again) {
  disk_of_volumes->failures = 2;
  make_claim("data", "standard");
  make_user("p", "data");
  BOOST_TEST(phase(claim_key("data")) != "Bound");
  run_for(5s);
  BOOST_TEST(phase(claim_key("data")) == "Bound");
}

BOOST_AUTO_TEST_SUITE_END()
