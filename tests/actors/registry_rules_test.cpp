#include "actors/registry_batch.hpp"
#include "tests/actors/registry_world.hpp"

using namespace podium;
using namespace podium::test;

namespace {

const wall_time noon{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1} + 12h};

/// A stored version of `document` as pod "p", version 5.
object stored(json::value document, object_key key = pod_key("p")) {
  auto made = registry_rules::created(key, document, "uid-1", noon - 1h).document;
  if (auto* status = document.as_object().if_contains("status")) made.as_object()["status"] = *status;
  for (auto* field : {"deletionTimestamp", "deletionGracePeriodSeconds"})
    if (auto* meta = document.as_object().if_contains("metadata"))
      if (auto* value = meta->as_object().if_contains(field))
        made.as_object()["metadata"].as_object()[field] = *value;
  return object{key, 5, std::move(made)};
}

json::value pod_on(const std::string& node, int64_t grace, const std::string& phase,
                   json::array finalizers = {}) {
  json::object spec{{"terminationGracePeriodSeconds", grace}};
  if (!node.empty()) spec["nodeName"] = node;
  auto document = pod_document("p", spec);
  document.as_object()["status"] = {{"phase", phase}};
  if (!finalizers.empty()) document.as_object()["metadata"].as_object()["finalizers"] = std::move(finalizers);
  return document;
}

/// "remove", "unchanged", or "<deletion time of day>/<grace>".
std::string outcome_of(const registry_rules::verdict& v) {
  if (!v) return message_of(v.error());
  if (v->what == registry_rules::outcome::remove) return "remove";
  if (v->what == registry_rules::outcome::unchanged) return "unchanged";
  auto& meta = v->document.as_object().at("metadata").as_object();
  return std::string(meta.at("deletionTimestamp").as_string()).substr(11, 8) + "/"
         + json::serialize(meta.at("deletionGracePeriodSeconds"));
}

} // namespace

BOOST_AUTO_TEST_SUITE(registry_rules_suite)

BOOST_AUTO_TEST_CASE(deleting_a_pod) {
  struct {
    const char* node;
    int64_t spec_grace;
    const char* phase;
    bool finalizer;
    int64_t request;
    const char* expected;
  } table[] = {
      {"n", 30, "Running", false, -1, "12:00:30/30"}, // the pod's own
      {"n", 30, "Running", false, 5, "12:00:05/5"},   // the request's
      {"n", 30, "Running", false, 60, "12:01:00/60"}, // also when longer
      {"n", 30, "Running", false, 0, "remove"},       // force
      {"n", 30, "Running", false, -7, "12:00:01/1"},  // negative is one second
      {"n", -5, "Running", false, -1, "12:00:01/1"},
      {"n", 30, "Running", false, INT64_MAX, "15:14:07/2147483647"}, // as long as clocks can say
      {"n", INT64_MAX, "Running", false, -1, "15:14:07/2147483647"},
      {"", 30, "Pending", false, -1, "remove"}, // unbound: nobody to wait for
      {"n", 30, "Succeeded", false, -1, "remove"},
      {"n", 30, "Failed", false, 20, "remove"},
      {"n", 30, "Running", true, 0, "12:00:00/0"}, // finalizers hold it
      {"", 30, "Pending", true, -1, "12:00:00/0"},
  };
  for (auto& row : table) {
    auto pod = stored(
        pod_on(row.node, row.spec_grace, row.phase, row.finalizer ? json::array{"x/y"} : json::array{}));
    auto v = registry_rules::deleted(pod, deletion(pod.key(), row.request), noon, false);
    BOOST_TEST(outcome_of(v) == row.expected,
               row.phase << " " << row.spec_grace << " " << row.request << ": " << outcome_of(v));
    if (v->what == registry_rules::outcome::write)
      BOOST_TEST(v->document.at_pointer("/metadata/generation").as_int64() == 2);
  }
}

BOOST_AUTO_TEST_CASE(deleting_a_pod_again_can_only_shorten) {
  struct {
    int64_t current, request;
    bool finalizer;
    const char* expected;
  } table[] = {{30, -1, false, "unchanged"},   {30, 30, false, "unchanged"}, {30, 60, false, "unchanged"},
               {30, 10, false, "12:00:10/10"}, {30, 0, false, "remove"},     {30, 0, true, "12:00:00/0"},
               {0, 0, true, "unchanged"},      {0, 20, true, "unchanged"}};
  for (auto& row : table) {
    auto document = pod_on("n", 30, "Running", row.finalizer ? json::array{"x/y"} : json::array{});
    auto& meta = document.as_object()["metadata"].as_object();
    meta["deletionTimestamp"] = to_rfc3339(noon + std::chrono::seconds{row.current});
    meta["deletionGracePeriodSeconds"] = row.current;
    auto pod = stored(document);
    auto v = registry_rules::deleted(pod, deletion(pod.key(), row.request), noon + 5s, false);
    BOOST_TEST(outcome_of(v) == row.expected,
               row.current << " then " << row.request << ": " << outcome_of(v));
    if (v->what == registry_rules::outcome::write)
      BOOST_TEST(v->document.at_pointer("/metadata/generation").as_int64()
                 == 1); // counted once, at the first
  }
}

BOOST_AUTO_TEST_CASE(a_deletion_says_by_finalizers_what_is_to_become_of_dependents) {
  auto document = [](std::string_view finalizers, bool deleting) {
    auto meta = json::object{{"name", "c"}, {"uid", "uid-1"}, {"finalizers", json::parse(finalizers)}};
    if (deleting) {
      meta["deletionTimestamp"] = "2026-01-01T11:59:00Z";
      meta["deletionGracePeriodSeconds"] = 0;
    }
    return json::value{{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", std::move(meta)}};
  };
  struct row {
    const char* before;
    bool deleting;
    const char *policy, *after;
  };
  const row rows[] = {
      {"[]", false, "", "removed"},
      {"[]", false, "Background", "removed"},
      {"[]", false, "Foreground", R"(["foregroundDeletion"])"},
      {"[]", false, "Orphan", R"(["orphan"])"},
      {R"(["x/y"])", false, "Foreground", R"(["x/y","foregroundDeletion"])"},
      {R"(["orphan"])", false, "", R"(["orphan"])"},
      {R"(["orphan"])", false, "Background", "removed"},
      {R"(["orphan","x/y"])", false, "Foreground", R"(["x/y","foregroundDeletion"])"},
      {R"(["foregroundDeletion"])", true, "", "unchanged"},
      {R"(["foregroundDeletion"])", true, "Foreground", "unchanged"},
      {R"(["foregroundDeletion"])", true, "Orphan", R"(["orphan"])"},
      {R"(["foregroundDeletion"])", true, "Background", "removed"},
  };
  for (auto& [before, deleting, policy, after] : rows)
    BOOST_TEST_CONTEXT(before << " deleted by " << policy) {
      object stored{{"configmaps", "default", "c"}, 5, document(before, deleting)};
      auto request = deletion(stored.key());
      request.propagation_policy = policy;
      auto v = registry_rules::deleted(stored, request, noon, false);
      BOOST_REQUIRE(v);
      auto shown = v->what == registry_rules::outcome::remove ? "removed"
                   : v->what == registry_rules::outcome::unchanged
                       ? "unchanged"
                       : json::serialize(v->document.at_pointer("/metadata/finalizers"));
      BOOST_TEST(shown == after);
    }
  // Events have no dependents to speak of.
  object event{{"events", "default", "c"}, 5, document("[]", false)};
  auto request = deletion(event.key());
  request.propagation_policy = "Foreground";
  BOOST_TEST((registry_rules::deleted(event, request, noon, false)->what == registry_rules::outcome::remove));
  // A pod has its grace first; its finalizer holds it beyond.
  auto pod = stored(pod_on("n", 30, "Running"));
  request = deletion(pod.key());
  request.propagation_policy = "Foreground";
  auto going = registry_rules::deleted(pod, request, noon, false);
  BOOST_TEST(going->document.at_pointer("/metadata/deletionGracePeriodSeconds").as_int64() == 30);
  BOOST_TEST(json::serialize(going->document.at_pointer("/metadata/finalizers"))
             == R"(["foregroundDeletion"])");
}

BOOST_AUTO_TEST_CASE(preconditions_and_their_words) {
  auto pod = stored(pod_on("n", 30, "Running"));
  auto request = deletion(pod.key());
  request.uid = "other";
  BOOST_TEST(
      outcome_of(registry_rules::deleted(pod, request, noon, false))
      == "Operation cannot be fulfilled on Pod \"p\": the UID in the precondition (other) does not match "
         "the UID in record (uid-1). The object might have been deleted and then recreated");
  request.uid = "uid-1";
  request.expected_version = 4;
  BOOST_TEST(
      outcome_of(registry_rules::deleted(pod, request, noon, false))
      == "Operation cannot be fulfilled on Pod \"p\": the ResourceVersion in the precondition (4) does not "
         "match the ResourceVersion in record (5). The object might have been modified");
  update_object update{pod.key(), make_document(pod.document()), update_part::main, "", 4};
  BOOST_TEST(outcome_of(registry_rules::updated(pod, update))
             == "Operation cannot be fulfilled on pods \"p\": the object has been modified; please apply "
                "your changes "
                "to the latest version and try again");
  update.expected_version = 5;
  BOOST_TEST(outcome_of(registry_rules::updated(pod, update)) == "unchanged");
}

BOOST_AUTO_TEST_CASE(who_owns_what_is_said_by_who_writes) {
  auto document = pod_on("n", 30, "Running");
  document.as_object()["metadata"].as_object()["managedFields"] = json::array{1};
  auto pod = stored(document);
  for (auto part : {update_part::main, update_part::status}) {
    auto managers_after = [&](const json::value& given) {
      auto after = pod.document();
      auto& meta = after.as_object()["metadata"].as_object();
      if (given.is_null())
        meta.erase("managedFields");
      else
        meta["managedFields"] = given;
      meta["labels"] = {{"new", "1"}};
      after.as_object()["status"].as_object()["message"] = "new";
      auto next = registry_rules::updated(pod, {pod.key(), make_document(after), part, "", 0});
      auto* kept = next->document.at("metadata").as_object().if_contains("managedFields");
      return kept ? json::serialize(*kept) : std::string{"none"};
    };
    BOOST_TEST(managers_after(nullptr) == "[1]"); // not said: kept
    BOOST_TEST(managers_after(json::array{2}) == "[2]");
    BOOST_TEST(managers_after(json::array{}) == "none");
  }
}

BOOST_AUTO_TEST_CASE(an_update_keeps_identity_and_its_part) {
  auto pod = stored(pod_on("n", 30, "Running"));
  json::value document{{"metadata",
                        {{"name", "renamed"},
                         {"labels", {{"a", "b"}}},
                         {"creationTimestamp", "1999-01-01T00:00:00Z"},
                         {"generation", 77},
                         {"managedFields", json::array{1}}}},
                       {"spec", {{"nodeName", "n"}}},
                       {"status", {{"phase", "Failed"}}}};
  auto main = registry_rules::updated(pod, {pod.key(), make_document(document), update_part::main, "", 0});
  auto& m = main->document;
  BOOST_TEST(m.at_pointer("/metadata/name").as_string() == "p");
  BOOST_TEST(m.at_pointer("/metadata/labels/a").as_string() == "b");
  BOOST_TEST(m.at_pointer("/metadata/creationTimestamp").as_string() == "2026-03-01T11:00:00Z");
  BOOST_TEST(m.at_pointer("/metadata/generation").as_int64() == 2); // the spec changed
  BOOST_TEST(m.at_pointer("/status/phase").as_string() == "Running");
  BOOST_TEST(m.at_pointer("/metadata/managedFields").as_array() == json::array{1}); // kept by who writes
  auto status =
      registry_rules::updated(pod, {pod.key(), make_document(document), update_part::status, "", 0});
  auto& s = status->document;
  BOOST_TEST(s.at_pointer("/status/phase").as_string() == "Failed");
  BOOST_TEST(s.at_pointer("/metadata/labels/a").as_string() == "b");
  BOOST_TEST(s.at_pointer("/metadata/name").as_string() == "p");
  BOOST_TEST(s.at_pointer("/metadata/creationTimestamp").as_string() == "2026-03-01T11:00:00Z");
  BOOST_TEST(s.at_pointer("/metadata/generation").as_int64() == 1);
  auto labels = pod.document();
  labels.as_object()["metadata"].as_object()["labels"] = {{"x", "y"}};
  auto metadata = registry_rules::updated(pod, {pod.key(), make_document(labels), update_part::main, "", 0});
  BOOST_TEST(metadata->document.at_pointer("/metadata/generation").as_int64() == 1);
}

BOOST_AUTO_TEST_CASE(a_status_leaves_a_pods_owners_and_takes_its_finalizers) {
  auto document = pod_on("n", 30, "Running", {"x/y"});
  auto pod = stored(document);
  auto next = pod.document();
  next.as_object()["metadata"].as_object()["ownerReferences"] = json::array{json::object{{"uid", "u"}}};
  next.as_object()["metadata"].as_object()["finalizers"] = json::array{"a/b"};
  auto status = registry_rules::updated(pod, {pod.key(), make_document(next), update_part::status, "", 0});
  BOOST_TEST(!status->document.at("metadata").as_object().contains("ownerReferences"));
  BOOST_TEST(status->document.at_pointer("/metadata/finalizers/0").as_string() == "a/b");
  // Whoever says nothing of metadata leaves it.
  auto alone = registry_rules::updated(
      pod, {pod.key(), make_document({{"status", {{"phase", "Failed"}}}}), update_part::status, "", 0});
  BOOST_TEST(alone->document.at_pointer("/metadata/finalizers/0").as_string() == "x/y");
}

BOOST_AUTO_TEST_CASE(finalizers_of_others_hold_an_empty_namespace) {
  object_key key{"namespaces", "", "team"};
  auto document = registry_rules::namespace_document("team");
  document.as_object()["metadata"].as_object()["deletionTimestamp"] = to_rfc3339(noon);
  auto made = stored(document, key).document();
  made.as_object()["spec"].as_object()["finalizers"] = json::array{"kubernetes", "x.io/y"};
  object ns{key, 5, made};
  auto emptied = registry_rules::deleted(ns, deletion(key), noon, true);
  BOOST_TEST((emptied->what == registry_rules::outcome::write));
  BOOST_TEST(emptied->document.at_pointer("/spec/finalizers").as_array() == json::array{"x.io/y"});
  auto last = emptied->document;
  last.as_object()["spec"].as_object().erase("finalizers");
  auto gone = registry_rules::updated(object{key, 6, emptied->document},
                                      {key, make_document(last), update_part::main, "", 0});
  BOOST_TEST((gone->what == registry_rules::outcome::remove));
}

BOOST_AUTO_TEST_CASE(the_last_finalizer_lets_a_deleted_object_go) {
  auto held = pod_on("n", 30, "Running", {"x/y"});
  auto& meta = held.as_object()["metadata"].as_object();
  meta["deletionTimestamp"] = to_rfc3339(noon);
  for (auto [grace, expected] : {std::pair{0, "remove"}, {30, ""}}) {
    meta["deletionGracePeriodSeconds"] = grace;
    auto pod = stored(held);
    auto document = pod.document();
    document.as_object()["metadata"].as_object().erase("finalizers");
    auto v = registry_rules::updated(pod, {pod.key(), make_document(document), update_part::main, "", 0});
    BOOST_TEST((v->what == (grace == 0 ? registry_rules::outcome::remove : registry_rules::outcome::write)),
               expected);
  }
}

BOOST_AUTO_TEST_CASE(a_nodes_extended_resources_are_kept) {
  auto put = [](json::object before, json::object next) {
    auto node =
        stored({{"kind", "Node"}, {"apiVersion", "v1"}, {"metadata", {{"name", "n"}}}, {"status", before}},
               {"nodes", "", "n"});
    auto v = registry_rules::status_put(node, {node.key(), "", make_document(next)});
    return json::serialize(v->document.is_object() ? v->document.at("status") : node.document().at("status"));
  };
  auto amounts = [](json::object more) {
    more["cpu"] = "2";
    return more;
  };
  // All of each can be had; what the node says of them itself counts for nothing.
  BOOST_TEST(json::parse(put({{"capacity", amounts({{"v.example/gpu", "5"}})}, {"allocatable", amounts({})}},
                             {{"capacity", amounts({})}, {"allocatable", amounts({{"v.example/old", "1"}})}}))
             == json::value({{"capacity", amounts({{"v.example/gpu", "5"}})},
                             {"allocatable", amounts({{"v.example/gpu", "5"}})}}));
  BOOST_TEST(put({}, {{"capacity", amounts({})}}) == R"({"capacity":{"cpu":"2"}})");
}

BOOST_AUTO_TEST_CASE(a_status_is_replaced_whole_but_for_what_is_others) {
  auto document = pod_on("n", 30, "Running");
  document.as_object()["status"].as_object()["hostIP"] = "10.0.0.1";
  document.as_object()["status"].as_object()["conditions"] = {
      {{"type", "Ready"}, {"status", "True"}},
      {{"type", "vendor.example/ok"}, {"status", "True"}},
      {{"type", "PodScheduled"}, {"status", "True"}}};
  auto pod = stored(document);
  json::value next{
      {"phase", "Running"},
      {"conditions",
       {{{"type", "Ready"}, {"status", "False"}}, {{"type", "PodScheduled"}, {"status", "False"}}}}};
  auto v = registry_rules::status_put(pod, {pod.key(), "uid-1", make_document(next)});
  BOOST_TEST(
      json::serialize(v->document.at("status"))
      == R"({"phase":"Running","conditions":[{"type":"vendor.example/ok","status":"True"},{"type":"Ready","status":"False"},{"type":"PodScheduled","status":"True"}]})");
  auto same = registry_rules::status_put(pod, {pod.key(), "", make_document(pod.document().at("status"))});
  BOOST_TEST((!same || same->what != registry_rules::outcome::remove));
  BOOST_TEST(outcome_of(registry_rules::status_put(pod, {pod.key(), "gone", make_document(next)})).find("UID")
             != std::string::npos);

  auto ended = pod_on("n", 30, "Failed");
  ended.as_object()["status"].as_object()["reason"] = "Evicted";
  auto sticky =
      registry_rules::status_put(stored(ended), {pod.key(), "", make_document({{"phase", "Running"}})});
  BOOST_TEST(outcome_of(sticky) == "unchanged");
}

BOOST_AUTO_TEST_CASE(binding) {
  auto pod = stored(pod_on("", 30, "Pending"));
  auto v = registry_rules::bound(pod, {"default", "p", "uid-1", "n1"}, noon);
  BOOST_TEST(v->document.at_pointer("/spec/nodeName").as_string() == "n1");
  BOOST_TEST(
      json::serialize(v->document.at_pointer("/status/conditions"))
      == R"([{"type":"PodScheduled","status":"True","lastProbeTime":null,"lastTransitionTime":"2026-03-01T12:00:00Z"}])");
  auto there = stored(pod_on("n1", 30, "Pending"));
  BOOST_TEST(outcome_of(registry_rules::bound(there, {"default", "p", "", "n1"}, noon)) == "unchanged");
  BOOST_TEST(
      outcome_of(registry_rules::bound(there, {"default", "p", "", "n2"}, noon))
      == "Operation cannot be fulfilled on pods/binding \"p\": pod p is already assigned to node \"n1\"");
  auto going = pod_on("", 30, "Pending", {"x/y"});
  going.as_object()["metadata"].as_object()["deletionTimestamp"] = to_rfc3339(noon);
  BOOST_TEST(outcome_of(registry_rules::bound(stored(going), {"default", "p", "", "n1"}, noon))
             == "Operation cannot be fulfilled on pods/binding \"p\": pod p is being deleted, cannot be "
                "assigned to a "
                "host");
}

BOOST_AUTO_TEST_CASE(row_keys_read_back) {
  for (auto key :
       {pod_key("a"), object_key{"nodes", "", "n"}, object_key{"leases.coordination.k8s.io", "x", "y"}})
    BOOST_TEST((object_key_of_row(row_key(key)) == key));
  for (auto* bad :
       {"", "/registry/", "/registry/pods", "/registry/pods/ns", "/registry/pods/ns/", "/other/a/b/c"})
    BOOST_TEST(!object_key_of_row(bad), bad);
}

BOOST_AUTO_TEST_SUITE_END()
