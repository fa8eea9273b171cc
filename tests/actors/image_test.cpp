// Who a pod is at registries, which images are removed when the disk is full, and both in a simulated node.
#include "actors/image_gc_rules.hpp"
#include "actors/registry_logins.hpp"
#include "core/base64.hpp"
#include "node_world.hpp"

using namespace podium;
using namespace podium::test;

namespace {

namespace json = boost::json;

secret secret_with(const std::string& type, const std::string& key, const std::string& text) {
  secret out;
  out.type = type;
  out.data[key] = to_base64(text);
  return out;
}

/// The logins as "registry user:password[+token]", one after the other; "-" for what is no such secret.
std::string shown(const std::optional<std::vector<registry_login>>& logins) {
  if (!logins) return "-";
  std::string out;
  for (auto& x : *logins)
    out += (out.empty() ? "" : ", ") + x.registry + " " + x.username + ":" + x.password
           + (x.identity_token.empty() ? "" : "+" + x.identity_token);
  return out;
}

constexpr const char *json_type = "kubernetes.io/dockerconfigjson", *json_key = ".dockerconfigjson",
                     *cfg_type = "kubernetes.io/dockercfg", *cfg_key = ".dockercfg";

object_ref make_object(object_key key, json::value document) {
  document.as_object()["metadata"] = {{"name", key.name}, {"namespace", key.ns}, {"uid", key.name}};
  return {std::make_shared<const object>(key, 1, std::move(document))};
}

object_ref pull_secret(const std::string& name, const std::string& registry, const std::string& password) {
  auto text =
      json::serialize(json::value{{"auths", {{registry, {{"username", "me"}, {"password", password}}}}}});
  return make_object({"secrets", "default", name},
                     {{"type", json_type}, {"data", {{json_key, to_base64(text)}}}});
}

object_ref pod_object(json::object spec) {
  return make_object({"pods", "default", "p"}, {{"spec", std::move(spec)}});
}

} // namespace

BOOST_AUTO_TEST_SUITE(image_suite)

BOOST_AUTO_TEST_CASE(secrets_hold_logins) {
  struct {
    const char *type, *key, *text, *logins;
  } rows[] = {
      {json_type, json_key, R"({"auths":{"quay.io":{"username":"me","password":"pw","email":"a@b"}}})",
       "quay.io me:pw"},
      {json_type, json_key, R"({"auths":{"b":{"auth":"bWU6cHc="},"a":{"auth":"bWU6cDp3"}}})",
       "a me:p:w, b me:pw"},
      {json_type, json_key, R"({"auths":{"a":{"auth":"bWU6cHc","username":"x","password":"y"}}})", "a me:pw"},
      {json_type, json_key, R"({"auths":{"a":{"auth":"bWU6cHcAAA=="}}})", "a me:pw"},
      {json_type, json_key, R"({"auths":{"a":{"auth":"bWVwdw=="}}})", ""},
      {json_type, json_key, R"({"auths":{"a":{"auth":"!"},"b":{"username":"me","password":"pw"}}})",
       "b me:pw"},
      {json_type, json_key, R"({"auths":{"a":{"auth":"PHRva2VuPjo=","identitytoken":"t"}}})", "a <token>:+t"},
      {json_type, json_key, R"({"auths":{"a":{},"b":7}})", ""},
      {json_type, json_key, R"({"auths":{"":{"username":"me","password":"pw"}}})", ""},
      {json_type, json_key, R"({"auths":{}})", ""},
      {json_type, json_key, R"({"auths":[]})", "-"},
      {json_type, json_key, R"({})", "-"},
      {json_type, json_key, "no JSON", "-"},
      {json_type, cfg_key, R"({"auths":{}})", "-"},
      {cfg_type, cfg_key, R"({"quay.io":{"username":"me","password":"pw"}})", "quay.io me:pw"},
      {"Opaque", json_key, R"({"auths":{"quay.io":{"username":"me","password":"pw"}}})", "-"},
  };
  for (auto& r : rows)
    BOOST_TEST(shown(logins_of(secret_with(r.type, r.key, r.text))) == r.logins, r.text);
}

BOOST_AUTO_TEST_CASE(a_pods_secrets_count_before_its_accounts) {
  pod_inputs inputs;
  for (auto& ref :
       {pull_secret("a", "ra", "1"), pull_secret("b", "rb", "2"), pull_secret("of-account", "rc", "3"),
        make_object({"serviceaccounts", "default", "default"},
                    {{"imagePullSecrets", {{{"name", "of-account"}}}}}),
        make_object({"secrets", "default", "other"}, {{"type", "Opaque"}}),
        make_object({"secrets", "default", "broken"}, {{"type", "kubernetes.io/dockercfg"}})})
    inputs.objects[ref->key()] = ref;
  auto given = [&](json::object spec) {
    auto found = registry_logins_of(*pod_object(std::move(spec)), &inputs);
    std::string missing;
    for (auto& name : found.missing)
      missing += " without " + name;
    return shown(found.logins) + missing;
  };
  auto names = [](std::initializer_list<const char*> list) {
    json::array out;
    for (auto* name : list)
      out.push_back(json::object{{"name", name}});
    return json::object{{"imagePullSecrets", out}};
  };
  BOOST_TEST(given(names({"b", "a"})) == "rb me:2, ra me:1");
  BOOST_TEST(given(names({"a", "a"})) == "ra me:1");
  BOOST_TEST(given(names({"a", "gone", "other", "broken"})) == "ra me:1 without gone without broken");
  BOOST_TEST(given({}) == "rc me:3");
  BOOST_TEST(given({{"serviceAccountName", "default"}}) == "rc me:3");
  BOOST_TEST(given({{"serviceAccountName", "unknown"}}) == "");
  auto unknown = registry_logins_of(*pod_object(names({"a"})), nullptr);
  BOOST_TEST((unknown.logins.empty() && unknown.missing.empty()));
}

// -- collection

namespace {

const wall_time t0{std::chrono::hours{1000}};

struct known_image {
  const char* id;
  int64_t size;
  std::chrono::minutes detected, used, asked; ///< ago; used 0 is now
};

std::string planned(const image_disk& disk, const std::vector<known_image>& images,
                    image_gc_settings settings = {}) {
  image_list list;
  image_uses uses;
  for (auto& i : images) {
    list.images.push_back({i.id, i.id, {i.id}, i.size, t0 - i.asked});
    uses[i.id] = {t0 - i.detected, t0 - i.used};
  }
  auto plan = plan_image_gc(settings, disk, list, uses, t0);
  if (!plan.problem.empty()) return plan.problem;
  std::string out = std::to_string(plan.wanted_bytes) + ":";
  for (auto& [id, size] : plan.candidates)
    out += " " + id;
  return out;
}

} // namespace

BOOST_AUTO_TEST_CASE(what_is_collected) {
  const std::vector<known_image> three{
      {"a", 10, 60min, 30min, 60min}, {"b", 10, 60min, 40min, 60min}, {"c", 10, 90min, 40min, 60min}};
  struct {
    image_disk disk;
    std::vector<known_image> images;
    const char* plan;
    image_gc_settings settings = {};
  } rows[] = {
      // Below the threshold nothing; from it on, down to the low one. Free space is counted in whole
      // hundredths.
      {{1000, 151}, three, "49: c b a", {85, 80}},
      {{1000, 160}, three, "0:"},
      {{1000, 150}, three, "50: c b a"},
      {{1000, 0}, three, "200: c b a"},
      {{1000, 5000}, three, "0:"},
      {{1000, 990}, three, "10: c b a", {1, 0}},
      {{1000, 990}, three, "0:", {2, 0}},
      {{0, 0}, three, "invalid capacity 0 on image filesystem"},
      // In use, too young, just asked for.
      {{1000, 0}, {{"a", 1, 60min, 0min, 60min}}, "200:"},
      {{1000, 0}, {{"a", 1, 1min, 30min, 60min}}, "200:"},
      {{1000, 0}, {{"a", 1, 2min, 30min, 60min}}, "200: a"},
      {{1000, 0}, {{"a", 1, 60min, 30min, 1min}}, "200:"},
      {{1000, 0}, {{"a", 1, 60min, 30min, -1min}}, "200:"},
      {{1000, 0}, {{"a", 1, 1min, 30min, 60min}}, "200: a", {85, 80, 0s}},
  };
  for (auto& r : rows)
    BOOST_TEST(planned(r.disk, r.images, r.settings) == r.plan, r.plan << " of " << r.disk.available_bytes);
}

BOOST_AUTO_TEST_CASE(images_are_noted) {
  image_uses uses;
  runtime_records records;
  records.containers.resize(1);
  records.containers[0].image_id = "used";
  image_list list;
  list.images = {{"used", "", {}, 1, {}}, {"idle", "", {}, 1, {}}, {"asked", "", {}, 1, t0 - 3min}};
  note_images(uses, list, records, {}, t0);
  BOOST_TEST((uses.at("used").used == t0));
  BOOST_TEST((uses.at("idle").used == wall_time{} && uses.at("idle").detected == wall_time{}));
  BOOST_TEST((uses.at("asked").used == t0 - 3min));
  // The next look: one is gone, one is new, one is used no more.
  list.images.erase(list.images.begin() + 1);
  list.images.push_back({"new", "", {}, 1, {}});
  note_images(uses, list, {}, t0 + 5min, t0 + 5min);
  BOOST_TEST(uses.size() == 3u);
  BOOST_TEST((uses.at("used").used == t0 && uses.at("used").detected == wall_time{}));
  BOOST_TEST((uses.at("new").detected == t0 + 5min));
}

BOOST_AUTO_TEST_CASE(a_full_disk_loses_the_images_that_are_used_least_recently) {
  node_world w;
  // 100 bytes, 90 of them used: ten must go.
  w.images->capacity_bytes = 100;
  w.images->other_bytes = 60;
  for (auto* name : {"first", "second", "third"})
    w.images->set(name, {.size_bytes = 10});
  w.start_node();
  for (auto* name : {"first", "second", "third"}) {
    w.create(pod_manifest(name, {{{"name", "c"}, {"image", name}}}));
    BOOST_REQUIRE(w.wait([&] { return w.phase(name) == "Running"; }, 10s));
  }
  w.sim.run_for(30min);
  BOOST_TEST(w.images->removed.empty());
  auto gone = [&](const char* name) {
    w.remove(name);
    BOOST_REQUIRE(w.wait([&] { return !w.get(name); }, 60s));
  };
  // `second` is free longer than `first`, `third` stays in use.
  gone("second");
  w.sim.run_for(10min);
  BOOST_TEST(w.images->removed == std::vector<std::string>{"docker.io/library/second:latest"});
  gone("first");
  w.sim.run_for(10min);
  BOOST_TEST(w.images->removed.size() == 1u); // 80 % are left: that is low enough
  w.images->other_bytes = 80;
  w.sim.run_for(10min);
  BOOST_TEST(w.images->removed.size() == 2u);
  // What is left is in use: it stays, and the node says so, the second time as a failure.
  BOOST_TEST(w.events_with("FreeDiskSpaceFailed") >= 1u);
  w.sim.run_for(10min);
  BOOST_TEST(w.events_with("ImageGCFailed") >= 1u);
  BOOST_TEST(w.images->removed.size() == 2u);
  BOOST_TEST(w.phase("third") == "Running");
  auto said =
      std::find_if(w.said->begin(), w.said->end(), [](auto& e) { return e.reason == "FreeDiskSpaceFailed"; });
  BOOST_REQUIRE(said != w.said->end());
  BOOST_TEST((said->involved.resource == "nodes" && said->type == "Warning"));
  BOOST_TEST(said->message.starts_with("Failed to garbage collect required amount of images."));
}

BOOST_AUTO_TEST_CASE(an_image_that_goes_while_its_container_waits_is_fetched_again) {
  node_world w;
  w.start_node();
  boost::json::value from{{"secretKeyRef", {{"name", "late"}, {"key", "k"}}}};
  w.create(pod_manifest("p", {{{"name", "c"},
                               {"image", "kept"},
                               {"imagePullPolicy", "IfNotPresent"},
                               {"env", boost::json::array{{{"name", "A"}, {"valueFrom", from}}}}}}));
  w.sim.run_for(5s);
  BOOST_TEST(w.status_of("p", "c").state.waiting->reason == "CreateContainerConfigError");
  BOOST_TEST(w.images->pulls("kept") == 1u);
  w.images->remove("kept");
  w.put({"secrets", "default", "late"}, {{"kind", "Secret"},
                                         {"apiVersion", "v1"},
                                         {"metadata", {{"name", "late"}, {"namespace", "default"}}},
                                         {"data", {{"k", "b25l"}}}});
  BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Running"; }, 15s));
  BOOST_TEST(w.images->pulls("kept") == 2u);
}

BOOST_AUTO_TEST_CASE(a_long_pull_tells_how_far_it_is) {
  node_world w;
  w.images->set("large", {.pull_delay = 100s, .size_bytes = 9 << 20});
  w.start_node();
  w.create(pod_manifest("a", {{{"name", "c"}, {"image", "large"}}}));
  w.sim.run_for(120s);
  std::vector<std::string> texts;
  for (auto& e : *w.said)
    if (e.reason == "Pulling") texts.push_back(e.message);
  const std::vector<std::string> expected{
      "Pulling image \"large\"",
      "Pulling image \"large\": 1.0 MiB fetched in 10s",
      "Pulling image \"large\": 3.0 MiB fetched in 30s",
      "Pulling image \"large\": 7.0 MiB fetched in 1m10s",
  };
  BOOST_TEST(texts == expected, boost::test_tools::per_element());
  BOOST_TEST(w.phase("a") == "Running");
}

BOOST_AUTO_TEST_CASE(a_pull_that_nobody_waits_for_is_given_up) {
  node_world w;
  w.images->set("endless", {.pull_delay = 15min});
  w.images->set("other", {.pull_delay = 15min});
  w.start_node();
  for (auto* name : {"a", "b"})
    w.create(pod_manifest(name, {{{"name", "c"}, {"image", "endless"}}}));
  w.create(pod_manifest("c", {{{"name", "c"}, {"image", "other"}}}));
  w.sim.run_for(5s);
  auto gone = [&](const char* name) {
    w.remove(name);
    BOOST_REQUIRE(w.wait([&] { return !w.get(name); }, 60s));
  };
  gone("a");
  w.sim.run_for(1min);
  BOOST_TEST(w.images->given_up.empty()); // another one waits for it
  gone("b");
  // Who comes soon finds it under way.
  w.sim.run_for(5s);
  w.create(pod_manifest("d", {{{"name", "c"}, {"image", "endless"}}}));
  w.sim.run_for(1min);
  BOOST_TEST(w.images->given_up.empty());
  BOOST_TEST(w.images->pulls("endless") == 1u);
  gone("d");
  w.sim.run_for(11s);
  BOOST_TEST(w.images->given_up == std::vector<std::string>{"endless"});
  BOOST_TEST(w.status_of("c", "c").state.waiting.has_value());
  // The next one begins anew, and gets it.
  w.create(pod_manifest("e", {{{"name", "c"}, {"image", "endless"}}}));
  BOOST_REQUIRE(w.wait([&] { return w.phase("e") == "Running" && w.phase("c") == "Running"; }, 16min));
  BOOST_TEST(w.images->pulls("endless") == 2u);
  BOOST_TEST(w.images->given_up.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_pod_that_has_failed_waits_for_no_image) {
  node_world w;
  w.images->set("endless", {.pull_delay = 15min});
  w.start_node();
  w.create(pod_manifest("p", {{{"name", "c"}, {"image", "endless"}}}, {{"activeDeadlineSeconds", 4}}));
  BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Failed"; }, 10s));
  w.sim.run_for(11s);
  BOOST_TEST(w.images->given_up == std::vector<std::string>{"endless"});
  w.sim.run_for(1min);
  BOOST_TEST(w.events_with("Pulling") == 1u);
}

BOOST_AUTO_TEST_CASE(a_container_that_wants_another_image_waits_for_that_alone) {
  node_world w;
  for (auto* name : {"first", "second"})
    w.images->set(name, {.pull_delay = 15min});
  w.start_node();
  w.create(pod_manifest("p", {{{"name", "c"}, {"image", "first"}}}));
  w.sim.run_for(5s);
  auto spec = w.get("p")->document();
  spec.at("spec").at("containers").at(0).at("image") = "second";
  BOOST_REQUIRE(w.sim.ask<object_ref>(w.registry, update_object{w.get("p")->key(), make_document(spec)}));
  w.sim.run_for(3min); // it asks again when its request's time is up
  BOOST_TEST(w.images->given_up == std::vector<std::string>{"first"});
  BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Running"; }, 20min));
  BOOST_TEST(w.images->pulls("second") == 1u);
}

BOOST_AUTO_TEST_CASE(a_container_that_finds_its_other_image_here_waits_for_none) {
  node_world w;
  w.images->set("first", {.pull_delay = 15min});
  w.start_node();
  w.create(pod_manifest("q", {{{"name", "c"}, {"image", "second"}}}));
  BOOST_REQUIRE(w.wait([&] { return w.phase("q") == "Running"; }, 10s));
  w.create(pod_manifest("p", {{{"name", "c"}, {"image", "first"}}}));
  w.sim.run_for(5s);
  auto spec = w.get("p")->document();
  spec.at("spec").at("containers").at(0).at("image") = "second";
  BOOST_REQUIRE(w.sim.ask<object_ref>(w.registry, update_object{w.get("p")->key(), make_document(spec)}));
  BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Running"; }, 5s));
  w.sim.run_for(11s);
  BOOST_TEST(w.images->given_up == std::vector<std::string>{"first"});
}

BOOST_AUTO_TEST_CASE(pods_with_the_same_login_share_a_pull_and_others_wait_for_it) {
  node_world w;
  w.images->set("private*", {.pull_delay = 10s, .password = "right"});
  w.start_node();
  for (auto* name : {"a", "b", "c"})
    w.create(pod_manifest(name, {{{"name", "c"}, {"image", "private"}, {"imagePullPolicy", "Always"}}}));
  w.sim.run_for(15s);
  BOOST_TEST(w.images->pulls("private") == 1u);
  BOOST_TEST(w.events_with("Pulling") == 3u);
  BOOST_REQUIRE(w.wait(
      [&] {
        return w.status_of("c", "c").state.waiting.has_value()
               && w.status_of("c", "c").state.waiting->reason == "ImagePullBackOff";
      },
      30s));
  auto waiting = *w.status_of("c", "c").state.waiting;
  BOOST_TEST(waiting.message
             == "Back-off pulling image \"private\": ErrImagePull: pulling private: authentication required");
}

BOOST_AUTO_TEST_SUITE_END()
