// Which claim gets which volume; what becomes of both; what a pod waits for.
#include "actors/volume_rules.hpp"

#include <boost/test/unit_test.hpp>

using namespace podium;
using namespace podium::volume_rules;
namespace json = boost::json;
using kind = step::kind;

namespace {

const wall_time now{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};

object_ref stored(object_key key, json::object rest, const std::string& uid) {
  auto& meta = rest["metadata"];
  if (!meta.is_object()) meta = json::object{};
  meta.get_object()["name"] = key.name;
  if (!key.ns.empty()) meta.get_object()["namespace"] = key.ns;
  meta.get_object()["uid"] = uid;
  return {std::make_shared<const object>(std::move(key), 7, json::value(std::move(rest)))};
}

json::object parse(const char* text) {
  return json::parse(text).as_object();
}

struct world : picture {
  object_ref claim(const std::string& name, const char* text) {
    object_key key{"persistentvolumeclaims", "default", name};
    return claims[key] = stored(key, parse(text), "uid-" + name);
  }
  object_ref volume(const std::string& name, const char* text) {
    return volumes[name] = stored({"persistentvolumes", "", name}, parse(text), "uid-" + name);
  }
  void storage_class(const std::string& name, const char* text) {
    classes[name] = stored({"storageclasses.storage.k8s.io", "", name}, parse(text), "uid-" + name);
  }
  step of_claim(const std::string& name) const {
    return decide_claim(claims.at({"persistentvolumeclaims", "default", name}), *this);
  }
  step of_volume(const std::string& name) const { return decide_volume(volumes.at(name), *this, now); }
};

constexpr auto small_claim =
    R"({"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"storageClassName":"fast"},
        "status":{"phase":"Pending"}})";

std::string volume_text(const char* size, const char* more = "", const char* status = "Available") {
  return std::string{R"({"spec":{"accessModes":["ReadWriteOnce","ReadOnlyMany"],"capacity":{"storage":")"}
         + size + R"("},"storageClassName":"fast")" + more + R"(},"status":{"phase":")" + status + R"("}})";
}

std::string text_at(const json::value& v, const char* pointer) {
  boost::system::error_code ec;
  auto* found = v.find_pointer(pointer, ec);
  return !found || ec ? "" : found->is_string() ? std::string(found->get_string()) : json::serialize(*found);
}

struct mismatch_row {
  const char* volume;
  const char* claim;
  const char* why;
};

const mismatch_row mismatch_rows[] = {
    {R"({"spec":{"accessModes":["A"],"capacity":{"storage":"1Gi"}}})",
     R"({"spec":{"accessModes":["A"],"resources":{"requests":{"storage":"1Gi"}}}})", ""},
    {R"({"spec":{"accessModes":["A"],"capacity":{"storage":"1G"}}})",
     R"({"spec":{"accessModes":["A"],"resources":{"requests":{"storage":"1Gi"}}}})",
     "requested PV is too small"},
    {R"({"spec":{"accessModes":["A"],"storageClassName":"x"}})", R"({"spec":{"accessModes":["A"]}})",
     "storageClassName does not match"},
    {R"({"spec":{"accessModes":["A"],"volumeMode":"Block"}})", R"({"spec":{"accessModes":["A"]}})",
     "incompatible volumeMode"},
    {R"({"spec":{"accessModes":["A"]}})", R"({"spec":{"accessModes":["A","B"]}})", "incompatible accessMode"},
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(volume_rules_suite, world)

BOOST_AUTO_TEST_CASE(what_a_volume_cannot_serve) {
  for (auto& row : mismatch_rows) {
    world w;
    auto v = w.volume("v", row.volume);
    auto c = w.claim("c", row.claim);
    BOOST_TEST(mismatch(v->as_persistent_volume(), c->as_persistent_volume_claim()) == row.why, row.volume);
  }
}

BOOST_AUTO_TEST_CASE(the_smallest_volume_that_fits) {
  storage_class("fast", R"({"provisioner":"kubernetes.io/no-provisioner","volumeBindingMode":"Immediate"})");
  auto c = claim("c", small_claim);
  volume("a-large", volume_text("5Gi").c_str());
  volume("b-fits", volume_text("2Gi").c_str());
  volume("c-too-small", volume_text("500Mi").c_str());
  volume("d-released", volume_text("1Gi", "", "Released").c_str());
  BOOST_TEST(find_volume(*c, *this)->key().name == "b-fits");
  auto next = of_claim("c");
  BOOST_TEST((next.what == kind::update));
  BOOST_TEST(next.key.name == "b-fits");
  BOOST_TEST(text_at(next.document, "/spec/claimRef/uid") == "uid-c");
  // Reserved for the claim: it wins, however large.
  volume("e-reserved", volume_text("9Gi", R"(,"claimRef":{"namespace":"default","name":"c"})").c_str());
  BOOST_TEST(find_volume(*c, *this)->key().name == "e-reserved");
}

BOOST_AUTO_TEST_CASE(labels_are_obeyed) {
  auto c = claim("c", R"({"spec":{"accessModes":["ReadWriteOnce"],"storageClassName":"fast",
      "resources":{"requests":{"storage":"1Gi"}},"selector":{"matchLabels":{"speed":"high"}}}})");
  volume("plain", volume_text("1Gi").c_str());
  BOOST_TEST(!find_volume(*c, *this));
  auto text = volume_text("2Gi");
  volume("labelled", ("{\"metadata\":{\"labels\":{\"speed\":\"high\"}}," + text.substr(1)).c_str());
  BOOST_TEST(find_volume(*c, *this)->key().name == "labelled");
}

BOOST_AUTO_TEST_CASE(both_sides_are_bound_one_after_the_other) {
  storage_class("fast", R"({"provisioner":"kubernetes.io/no-provisioner"})");
  claim("c", small_claim);
  volume("v", volume_text("1Gi", R"(,"claimRef":{"namespace":"default","name":"c","uid":"uid-c"})").c_str());
  auto next = of_claim("c");
  BOOST_TEST((next.what == kind::update));
  BOOST_TEST(next.key.resource == "persistentvolumeclaims");
  BOOST_TEST(text_at(next.document, "/spec/volumeName") == "v");
  BOOST_TEST((of_volume("v").what == kind::none)); // it waits for the claim's word
  auto key = next.key;
  claims[key] = {std::make_shared<const object>(key, 8, next.document)};
  BOOST_TEST(text_at(of_volume("v").document, "/phase") == "Bound");
  auto status = of_claim("c");
  BOOST_TEST((status.what == kind::put_status));
  BOOST_TEST(text_at(status.document, "/phase") == "Bound");
  BOOST_TEST(text_at(status.document, "/capacity/storage") == "1Gi");
}

BOOST_AUTO_TEST_CASE(a_bound_claim_that_asks_for_more) {
  constexpr auto text =
      R"({"metadata":{"annotations":{"pv.kubernetes.io/bind-completed":"yes"}},
          "spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"3Gi"}},
                  "storageClassName":"fast","volumeName":"v"},
          "status":{"phase":"Bound","accessModes":["ReadWriteOnce","ReadOnlyMany"],"capacity":{"storage":"1Gi"}}})";
  auto owned = volume_text("1Gi", R"(,"claimRef":{"namespace":"default","name":"c","uid":"uid-c"})", "Bound");
  auto made_by = [&](const std::string& who) {
    return R"({"metadata":{"annotations":{"pv.kubernetes.io/provisioned-by":")" + who + "\"}},"
           + owned.substr(1);
  };
  claim("c", text);
  volume("v", made_by("somebody.else").c_str());
  auto next = of_claim("c");
  BOOST_TEST((next.what == kind::none));
  BOOST_REQUIRE(next.tell);
  BOOST_TEST(next.tell->reason == "ExternalExpanding");

  volume("v", made_by(std::string{own_provisioner}).c_str());
  next = of_claim("c");
  BOOST_TEST((next.what == kind::update));
  BOOST_TEST(next.key.name == "v");
  BOOST_TEST(text_at(next.document, "/spec/capacity/storage") == "3Gi");
  BOOST_TEST(next.tell->reason == "VolumeResizeSuccessful");
  auto key = next.key;
  volumes["v"] = {std::make_shared<const object>(key, 8, next.document)};
  next = of_claim("c");
  BOOST_TEST((next.what == kind::put_status));
  BOOST_TEST(text_at(next.document, "/capacity/storage") == "3Gi");
  BOOST_TEST(!next.tell);
}

struct pending_row {
  const char* storage_class; ///< of the name fast; "" is none
  const char* reason;
  const char* message;
};

const pending_row pending_rows[] = {
    {"", "ProvisioningFailed", "storageclass.storage.k8s.io \"fast\" not found"},
    {R"({"provisioner":"podium.io/host-directory","volumeBindingMode":"WaitForFirstConsumer"})",
     "WaitForFirstConsumer", "waiting for first consumer to be created before binding"},
    {R"({"provisioner":"disks.example.com","volumeBindingMode":"Immediate"})", "ExternalProvisioning",
     "Waiting for a volume to be created either by the external provisioner 'disks.example.com' or manually "
     "by "
     "the system administrator. If volume creation is delayed, please verify that the provisioner is running "
     "and correctly registered."},
};

BOOST_AUTO_TEST_CASE(what_a_claim_waits_for) {
  for (auto& row : pending_rows) {
    world w;
    if (*row.storage_class) w.storage_class("fast", row.storage_class);
    w.claim("c", small_claim);
    auto next = w.of_claim("c");
    BOOST_TEST((next.what == kind::none));
    BOOST_REQUIRE(next.tell);
    BOOST_TEST(next.tell->reason == row.reason);
    BOOST_TEST(next.tell->message == row.message);
  }
}

BOOST_AUTO_TEST_CASE(a_consumer_has_a_directory_made) {
  storage_class("fast",
                R"({"provisioner":"podium.io/host-directory","volumeBindingMode":"WaitForFirstConsumer",
      "reclaimPolicy":"Retain"})");
  auto c = claim("c", small_claim);
  users[c->key()] = 1;
  BOOST_TEST((of_claim("c").what == kind::make_directory));
  auto made = volume_for(*c, *classes.at("fast"), "/srv/x", "n1");
  BOOST_TEST(text_at(made, "/metadata/name") == "pvc-uid-c");
  BOOST_TEST(text_at(made, "/spec/hostPath/path") == "/srv/x");
  BOOST_TEST(text_at(made, "/spec/persistentVolumeReclaimPolicy") == "Retain");
  BOOST_TEST(text_at(made, "/spec/claimRef/uid") == "uid-c");
  BOOST_TEST(text_at(made, "/spec/nodeAffinity/required/nodeSelectorTerms/0/matchExpressions/0/values/0")
             == "n1");
}

struct reclaim_row {
  const char* policy;
  const char* annotations;
  const char* phase; ///< the volume's
  kind what;
  const char* next_phase;
};

const reclaim_row reclaim_rows[] = {
    {"Retain", "{}", "Bound", kind::put_status, "Released"},
    {"Retain", "{}", "Released", kind::none, ""},
    {"Delete", R"({"pv.kubernetes.io/provisioned-by":"podium.io/host-directory"})", "Released",
     kind::remove_directory, ""},
    {"Delete", R"({"pv.kubernetes.io/provisioned-by":"disks.example.com"})", "Released", kind::none, ""},
    {"Delete", "{}", "Released", kind::put_status, "Failed"},
    {"Recycle", "{}", "Released", kind::put_status, "Failed"},
    {"Recycle", "{}", "Failed", kind::none, ""},
};

BOOST_AUTO_TEST_CASE(a_volume_whose_claim_is_gone) {
  for (auto& row : reclaim_rows)
    BOOST_TEST_CONTEXT(row.policy << " " << row.phase) {
      world w;
      auto text = std::string{R"({"metadata":{"annotations":)"} + row.annotations
                  + R"(},"spec":{"claimRef":{"namespace":"default","name":"c","uid":"gone"},
                       "persistentVolumeReclaimPolicy":")"
                  + row.policy + R"("},"status":{"phase":")" + row.phase + R"("}})";
      w.volume("v", text.c_str());
      auto next = w.of_volume("v");
      BOOST_TEST((next.what == row.what));
      BOOST_TEST(text_at(next.document, "/phase") == row.next_phase);
    }
}

BOOST_AUTO_TEST_CASE(what_is_used_is_kept) {
  auto c = claim("c", R"({"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z",
      "finalizers":["kubernetes.io/pvc-protection","example.com/x"]},"spec":{}})");
  holders[c->key()] = 1;
  BOOST_TEST((of_claim("c").what == kind::none));
  holders.clear();
  auto next = of_claim("c");
  BOOST_TEST((next.what == kind::update));
  BOOST_TEST(text_at(next.document, "/metadata/finalizers") == R"(["example.com/x"])");
  volume("v", R"({"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z",
      "finalizers":["kubernetes.io/pv-protection"]},
      "spec":{"claimRef":{"namespace":"default","name":"c","uid":"uid-c"}}})");
  BOOST_TEST((of_volume("v").what != kind::update));
  claims.clear();
  BOOST_TEST(text_at(of_volume("v").document, "/metadata/finalizers") == "[]");
}

BOOST_AUTO_TEST_CASE(a_bound_claim_that_lost_its_volume) {
  claim("c", R"({"metadata":{"annotations":{"pv.kubernetes.io/bind-completed":"yes"}},
      "spec":{"volumeName":"v"},"status":{"phase":"Bound"}})");
  auto next = of_claim("c");
  BOOST_TEST(text_at(next.document, "/phase") == "Lost");
  BOOST_TEST(next.tell->reason == "ClaimLost");
}

struct pod_row {
  const char* claim; ///< of the name c; "" is none
  bool waits;
  const char* failure;
};

const pod_row pod_rows[] = {
    {"", true, "persistentvolumeclaim \"c\" not found"},
    {R"({"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"},"status":{"phase":"Bound"}})", true,
     "persistentvolumeclaim \"c\" is being deleted"},
    {R"({"spec":{"volumeName":"v"},"status":{"phase":"Lost"}})", true,
     "persistentvolumeclaim \"c\" bound to non-existent persistentvolume \"v\""},
    {R"({"spec":{"volumeName":"v"},"status":{"phase":"Bound"}})", false, ""},
    {R"({"spec":{"volumeName":"unseen"},"status":{"phase":"Bound"}})", true, ""},
    {R"({"spec":{"storageClassName":"now"},"status":{"phase":"Pending"}})", true,
     "pod has unbound immediate PersistentVolumeClaims"},
    {R"({"spec":{"storageClassName":"later"},"status":{"phase":"Pending"}})", true, ""},
};

BOOST_AUTO_TEST_CASE(what_a_pod_waits_for) {
  auto pod = stored({"pods", "default", "p"},
                    parse(R"({"spec":{"volumes":[{"name":"d","persistentVolumeClaim":{"claimName":"c"}}]}})"),
                    "uid-p");
  for (auto& row : pod_rows)
    BOOST_TEST_CONTEXT(row.claim) {
      world w;
      w.storage_class("now", R"({"volumeBindingMode":"Immediate"})");
      w.storage_class("later", R"({"volumeBindingMode":"WaitForFirstConsumer"})");
      if (*row.claim) w.claim("c", row.claim);
      w.volume("v", R"({"spec":{"nodeAffinity":{"required":{"nodeSelectorTerms":[
          {"matchExpressions":[{"key":"disk","operator":"Exists"}]}]}}}})");
      auto verdict = judge_pod(*pod, w);
      BOOST_TEST(verdict.waits == row.waits);
      BOOST_TEST(verdict.failure == row.failure);
      BOOST_TEST(verdict.nodes.size() == (row.waits ? 0u : 1u));
      for (auto& affinity : verdict.nodes) {
        BOOST_TEST(affinity.matches("n", {{"disk", "ssd"}}));
        BOOST_TEST(!affinity.matches("n", {}));
      }
    }
}

BOOST_AUTO_TEST_SUITE_END()
