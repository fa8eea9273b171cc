// Field ownership as pure functions; apply_test.cpp shows it by requests.
#include "api/managed_fields.hpp"
#include "core/error.hpp"

#include <boost/test/unit_test.hpp>

using namespace podium;
using namespace podium::api;
namespace json = boost::json;

namespace {

const config::group_version_kind pod_kind{"", "v1", "Pod"};

field_write writer(std::string manager, std::string time = "2026-01-01T00:00:00Z",
                   std::string subresource = "") {
  field_write out;
  out.gvk = pod_kind;
  out.type = config::type_of(pod_kind);
  out.manager = std::move(manager);
  out.subresource = std::move(subresource);
  out.time = std::move(time);
  out.ignored = config::make_field_set({"status"});
  return out;
}

/// A pod of these parts, with nobody's fields.
json::value pod(std::string_view metadata, std::string_view spec = "{}") {
  auto meta = json::parse(metadata);
  meta.as_object()["name"] = "p";
  json::object out{{"kind", "Pod"}, {"apiVersion", "v1"}, {"metadata", std::move(meta)}};
  if (spec != "{}") out["spec"] = json::parse(spec);
  return json::value(std::move(out));
}

/// "manager/operation[/subresource] fields" for each entry, with times if `times`.
std::string owners(const json::value& document, bool times = false) {
  auto managers = read_managers(document);
  BOOST_REQUIRE(managers);
  std::string out;
  for (auto& m : *managers) {
    out += (out.empty() ? "" : "\n") + m.name + (m.applies ? "/Apply" : "/Update");
    if (!m.subresource.empty()) out += "/" + m.subresource;
    if (times) out += " " + m.time;
    out += " " + json::serialize(config::to_fields_v1(m.fields));
  }
  return out;
}

json::value created(json::value document, const std::string& manager) {
  track_update(empty_document(*config::type_of(pod_kind), pod_kind), document, writer(manager), true);
  return document;
}

json::value updated(const json::value& before, json::value after, const field_write& by) {
  track_update(before, after, by, false);
  return after;
}

/// The document after an apply, or the conflicts.
struct outcome_of_apply {
  json::value document;
  std::string conflicts;
};
outcome_of_apply apply(const json::value& live, const json::value& configuration, const field_write& by,
                       bool force = false) {
  auto out = apply_configuration(live, configuration, by, force);
  BOOST_REQUIRE(out);
  outcome_of_apply result{out->document, ""};
  for (auto& c : out->conflicts)
    result.conflicts += (result.conflicts.empty() ? "" : "\n") + c.manager + " " + c.path;
  return result;
}

json::value fresh_apply(const json::value& configuration, const std::string& manager) {
  return apply(empty_document(*config::type_of(pod_kind), pod_kind), configuration, writer(manager)).document;
}

std::string labels_of(const json::value& document) {
  auto* labels = document.at("metadata").as_object().if_contains("labels");
  return labels ? json::serialize(*labels) : "none";
}

} // namespace

BOOST_AUTO_TEST_SUITE(managed_fields_suite)

BOOST_AUTO_TEST_CASE(who_creates_owns_what_is_there) {
  auto made =
      created(pod(R"({"labels":{"a":"1"},"generateName":"p-","uid":"u"})",
                  R"({"containers":[{"name":"c","image":"i","resources":{}}],"dnsPolicy":"ClusterFirst"})"),
              "kubectl-create");
  BOOST_TEST(
      owners(made)
      == R"(kubectl-create/Update {"f:metadata":{"f:generateName":{},"f:labels":{".":{},"f:a":{}}},)"
         R"("f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:image":{},"f:name":{},"f:resources":{}}},)"
         R"("f:dnsPolicy":{}}})");
  auto& entry = made.at_pointer("/metadata/managedFields/0").as_object();
  BOOST_TEST(json::serialize(entry).starts_with(
      R"({"manager":"kubectl-create","operation":"Update","apiVersion":"v1","time":"2026-01-01T00:00:00Z","fieldsType":"FieldsV1")"));
}

BOOST_AUTO_TEST_CASE(updates_take_what_they_change) {
  auto made = created(pod(R"({"labels":{"a":"1","b":"1"}})"), "creator");
  auto next = updated(made, pod(R"({"labels":{"a":"2","c":"3"}})"), writer("other", "2026-01-02T00:00:00Z"));
  BOOST_TEST(owners(next, true)
             == R"(creator/Update 2026-01-01T00:00:00Z {"f:metadata":{"f:labels":{}}})"
                "\n"
                R"(other/Update 2026-01-02T00:00:00Z {"f:metadata":{"f:labels":{"f:a":{},"f:c":{}}}})");
  // The same manager again: one entry, a new time.
  next = updated(next, pod(R"({"labels":{"a":"3","c":"3"}})"), writer("other", "2026-01-03T00:00:00Z"));
  BOOST_TEST(
      owners(next, true)
          .ends_with(R"(other/Update 2026-01-03T00:00:00Z {"f:metadata":{"f:labels":{"f:a":{},"f:c":{}}}})"));
  // What changes nothing changes no time, and neither does taking away.
  auto same = updated(next, pod(R"({"labels":{"a":"3","c":"3"}})"), writer("other", "2026-01-04T00:00:00Z"));
  BOOST_TEST(same.at_pointer("/metadata/managedFields") == next.at_pointer("/metadata/managedFields"));
  auto less = updated(next, pod(R"({"labels":{"c":"3"}})"), writer("other", "2026-01-04T00:00:00Z"));
  BOOST_TEST(owners(less, true)
                 .ends_with(R"(other/Update 2026-01-03T00:00:00Z {"f:metadata":{"f:labels":{"f:c":{}}}})"));
}

BOOST_AUTO_TEST_CASE(the_status_is_a_part_of_its_own) {
  auto made = created(pod(R"({"labels":{"a":"1"}})"), "m");
  auto after = made;
  after.as_object()["status"] = {{"phase", "Running"}};
  auto ignored = updated(made, after, writer("m"));
  BOOST_TEST(owners(ignored) == owners(made));
  auto by = writer("m", "2026-01-02T00:00:00Z", "status");
  by.ignored = config::make_field_set({"metadata", "spec"});
  BOOST_TEST(
      owners(updated(made, after, by)).ends_with(R"(m/Update/status {"f:status":{".":{},"f:phase":{}}})"));
}

BOOST_AUTO_TEST_CASE(a_body_may_rewrite_the_book_keeping) {
  auto made = created(pod(R"({"labels":{"a":"1"}})"), "m");
  auto body = [](std::string_view fields) {
    return pod(R"({"labels":{"a":"1"},"managedFields":)" + std::string{fields} + "}");
  };
  auto entries = json::serialize(made.at_pointer("/metadata/managedFields"));
  // [{}] ends it; an empty list, none, and what is broken leave it.
  auto reset = updated(made, body("[{}]"), writer("m"));
  BOOST_TEST(owners(reset) == "");
  BOOST_TEST(reset.at_pointer("/metadata/managedFields").as_array().empty());
  for (
      auto fields :
      {"[]", R"([{"manager":"x"}])",
       R"([{"manager":"x","operation":"Jump","apiVersion":"v1","fieldsType":"FieldsV1"}])",
       R"([{"manager":"x","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"bad":{}}}])"})
    BOOST_TEST(json::serialize(updated(made, body(fields), writer("m")).at_pointer("/metadata/managedFields"))
               == entries);
  // Without book-keeping there is none by updates.
  BOOST_TEST(owners(updated(reset, pod(R"({"labels":{"a":"2"}})"), writer("m"))) == "");
  // A list of entries is taken over; entries of versions that are not served are not.
  auto rewritten =
      updated(made, body(R"([{"manager":"n","operation":"Apply","apiVersion":"v1","fieldsType":"FieldsV1",
    "fieldsV1":{"f:metadata":{"f:labels":{"f:a":{}}}}},
    {"manager":"o","operation":"Update","apiVersion":"v7","fieldsType":"FieldsV1","fieldsV1":{"f:spec":{}}}])"),
              writer("m"));
  BOOST_TEST(owners(rewritten) == R"(n/Apply {"f:metadata":{"f:labels":{"f:a":{}}}})");
}

BOOST_AUTO_TEST_CASE(ten_updaters_are_told_apart) {
  auto document = created(pod(R"({"labels":{"l":"0"}})"), "creator");
  std::string labels = R"("l":"0")";
  for (int i = 1; i <= 14; ++i) {
    auto n = std::to_string(i), day = (i < 9 ? "0" : "") + std::to_string(i + 1);
    labels += ",\"l" + n + "\":\"x\"";
    document = updated(document, pod("{\"labels\":{" + labels + "}}"),
                       writer("m" + n, "2026-01-" + day + "T00:00:00Z"));
  }
  auto managers = *read_managers(document);
  BOOST_TEST(managers.size() == 10u);
  BOOST_TEST(managers.front().name == "ancient-changes");
  BOOST_TEST(managers.front().time == "2026-01-06T00:00:00Z");
  BOOST_TEST(
      json::serialize(config::to_fields_v1(managers.front().fields))
      == R"({"f:metadata":{"f:labels":{".":{},"f:l":{},"f:l1":{},"f:l2":{},"f:l3":{},"f:l4":{},"f:l5":{}}}})");
  BOOST_TEST(managers.back().name == "m14");
}

BOOST_AUTO_TEST_CASE(appliers_end_somewhere) {
  json::array entries;
  for (int i = 0; i < 1000; ++i)
    entries.push_back({{"manager", "m" + std::to_string(i)},
                       {"operation", "Apply"},
                       {"apiVersion", "v1"},
                       {"fieldsType", "FieldsV1"},
                       {"fieldsV1", {{"f:metadata", {{"f:labels", {{"f:a", json::object{}}}}}}}}});
  auto live = pod(R"({"labels":{"a":"1"}})");
  live.as_object()["metadata"].as_object()["managedFields"] = entries;
  auto more = apply_configuration(live, pod(R"({"labels":{"a":"1"}})"), writer("new"), false);
  BOOST_REQUIRE(!more);
  BOOST_TEST(message_of(more.error()) == "metadata.managedFields: Too many: must have at most 1000 items");
  BOOST_TEST(!!apply_configuration(live, pod(R"({"labels":{"a":"1"}})"), writer("m7"), false));
}

BOOST_AUTO_TEST_CASE(appliers_own_their_configuration) {
  auto made =
      fresh_apply(pod(R"({"labels":{"a":"1"}})", R"({"containers":[{"name":"c","image":"i"}]})"), "kubectl");
  BOOST_TEST(owners(made)
             == R"(kubectl/Apply {"f:metadata":{"f:labels":{"f:a":{}}},)"
                R"("f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:image":{},"f:name":{}}}}})");
  // The same again is nothing.
  auto again = apply(made, pod(R"({"labels":{"a":"1"}})", R"({"containers":[{"name":"c","image":"i"}]})"),
                     writer("kubectl", "2026-02-01T00:00:00Z"));
  BOOST_TEST(again.document == made);
  // What is left out goes, unless somebody else has it.
  made = fresh_apply(pod(R"({"labels":{"a":"1","b":"1"}})"), "one");
  made = apply(made, pod(R"({"labels":{"b":"1"}})"), writer("two")).document;
  auto left = apply(made, pod("{}"), writer("one")).document;
  BOOST_TEST(labels_of(left) == R"({"b":"1"})");
  BOOST_TEST(owners(left) == R"(two/Apply {"f:metadata":{"f:labels":{"f:b":{}}}})");
  // What nobody ever applied stays.
  left = updated(left,
                 pod(R"({"labels":{"b":"1","c":"1"},"managedFields":)"
                     + json::serialize(left.at_pointer("/metadata/managedFields")) + "}"),
                 writer("u"));
  left = apply(left, pod("{}"), writer("two")).document;
  BOOST_TEST(labels_of(left) == R"({"c":"1"})");
}

BOOST_AUTO_TEST_CASE(items_of_lists_are_given_up_one_by_one) {
  auto made =
      fresh_apply(pod("{}", R"({"containers":[{"name":"a","image":"1"},{"name":"b","image":"1"}]})"), "one");
  auto left = apply(made, pod("{}", R"({"containers":[{"name":"b","image":"2"}]})"), writer("one")).document;
  BOOST_TEST(json::serialize(left.at_pointer("/spec/containers")) == R"([{"name":"b","image":"2"}])");
  // An item that others have fields of stays with them.
  made = apply(made, pod("{}", R"({"containers":[{"name":"a","tty":true}]})"), writer("two")).document;
  left = apply(made, pod("{}", R"({"containers":[{"name":"b","image":"1"}]})"), writer("one")).document;
  BOOST_TEST(json::serialize(left.at_pointer("/spec/containers"))
             == R"([{"name":"a","tty":true},{"name":"b","image":"1"}])");
}

BOOST_AUTO_TEST_CASE(conflicts_name_who_and_what) {
  auto made = created(pod(R"({"labels":{"a":"1","b":"1"}})", R"({"containers":[{"name":"c","image":"i"}]})"),
                      "kubectl-create");
  auto wish = pod(R"({"labels":{"a":"2","b":"1"}})", R"({"containers":[{"name":"c","image":"j"}]})");
  BOOST_TEST(apply(made, wish, writer("m")).conflicts
             == "\"kubectl-create\" using v1 .metadata.labels.a\n"
                "\"kubectl-create\" using v1 .spec.containers[name=\"c\"].image");
  // Equal values are shared.
  auto shared = apply(made, pod(R"({"labels":{"b":"1"}})"), writer("m"));
  BOOST_TEST(shared.conflicts == "");
  BOOST_TEST(apply(shared.document, pod(R"({"labels":{"b":"2"}})"), writer("n")).conflicts
             == "\"kubectl-create\" using v1 .metadata.labels.b\n\"m\" .metadata.labels.b");
  // Force takes them.
  auto forced = apply(made, wish, writer("m"), true);
  BOOST_TEST(forced.conflicts == "");
  BOOST_TEST(labels_of(forced.document) == R"({"a":"2","b":"1"})");
  BOOST_TEST(
      owners(forced.document)
          .find(
              R"(kubectl-create/Update {"f:metadata":{"f:labels":{".":{},"f:b":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:name":{}}}}})")
      != std::string::npos);
  // Setting a value to null is a change, too.
  BOOST_TEST(apply(created(pod("{}", R"({"dnsPolicy":"Default"})"), "c"), pod("{}", R"({"dnsPolicy":null})"),
                   writer("m"))
                 .conflicts
             == "\"c\" using v1 .spec.dnsPolicy");
  BOOST_TEST((field_manager{"k", false, "v1", "status", "", {}}.to_string())
             == R"("k" with subresource "status" using v1)");
}

BOOST_AUTO_TEST_CASE(kubectl_takes_over_from_its_client_side_apply) {
  auto configuration =
      R"({"apiVersion":"v1","kind":"Pod","metadata":{"annotations":{},"labels":{"a":"1"},"name":"p"}})";
  auto live =
      created(pod(R"({"labels":{"a":"1"},"annotations":{"kubectl.kubernetes.io/last-applied-configuration":)"
                  + json::serialize(json::value(configuration)) + "}}"),
              "kubectl-client-side-apply");
  auto wish = pod(R"({"labels":{"a":"2"}})");
  auto taken = apply(live, wish, writer("kubectl"));
  BOOST_TEST(taken.conflicts == "");
  BOOST_TEST(labels_of(taken.document) == R"({"a":"2"})");
  // The annotation is kept in step.
  BOOST_TEST(taken.document.at_pointer("/metadata/annotations").as_object().begin()->value().as_string()
             == R"({"apiVersion":"v1","kind":"Pod","metadata":{"labels":{"a":"2"},"name":"p"}})"
                "\n");
  // Others are not kubectl, and what somebody has changed since is not kubectl's.
  BOOST_TEST(apply(live, wish, writer("helm")).conflicts
             == "\"kubectl-client-side-apply\" using v1 .metadata.labels.a");
  auto changed = live;
  changed.at_pointer("/metadata/labels/a") = "9";
  changed = updated(live, changed, writer("user"));
  BOOST_TEST(apply(changed, wish, writer("kubectl")).conflicts == "\"user\" using v1 .metadata.labels.a");
}

BOOST_AUTO_TEST_CASE(objects_without_book_keeping_are_somebodys) {
  auto live = pod(R"({"labels":{"a":"1"}})");
  BOOST_TEST(apply(live, pod(R"({"labels":{"a":"2"}})"), writer("m")).conflicts
             == "\"before-first-apply\" using v1 .metadata.labels.a");
  BOOST_TEST(owners(apply(live, pod(R"({"labels":{"b":"2"}})"), writer("m")).document)
             == R"(m/Apply {"f:metadata":{"f:labels":{"f:b":{}}}})"
                "\n"
                R"(before-first-apply/Update {"f:metadata":{"f:labels":{".":{},"f:a":{}}}})");
}

BOOST_AUTO_TEST_CASE(times_alone_are_no_change) {
  auto entry = R"({"labels":{"a":"1"},"managedFields":[{"manager":"m","time":"TIME"}]})";
  auto at = [&](std::string time) {
    auto text = std::string{entry};
    return pod(text.replace(text.find("TIME"), 4, time));
  };
  auto before = at("1"), after = at("2");
  keep_times(before, after);
  BOOST_TEST(after == at("1"));
  auto other = at("2");
  other.at_pointer("/metadata/labels/a") = "2";
  auto kept = other;
  keep_times(before, other);
  BOOST_TEST(other == kept);
}

BOOST_AUTO_TEST_SUITE_END()
