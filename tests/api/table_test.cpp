#include "api/event_forms.hpp"
#include "api/output.hpp"
#include "api/printers.hpp"
#include "api/resources.hpp"

#include <boost/test/unit_test.hpp>

using namespace podium;
using namespace podium::api;
namespace json = boost::json;

namespace {

const wall_time now = *parse_rfc3339("2026-01-02T00:00:00Z");

object make(const char* resource, std::string_view text) {
  auto document = json::parse(text);
  return object{{resource, "default", "x"}, 7, document};
}

/// Cells as one line.
std::string cells(const table_printer& printer, const object& obj) {
  std::string out;
  for (auto& c : printer.cells(obj, now))
    out += (out.empty() ? "" : "|") + (c.is_string() ? std::string(c.get_string()) : json::serialize(c));
  return out;
}

std::string pod_cells(const std::string& spec, const std::string& status, const std::string& meta = "") {
  auto text = R"({"metadata":{"name":"p","creationTimestamp":"2026-01-01T23:58:30Z")" + meta + R"(},"spec":)"
              + spec + R"(,"status":)" + status + "}";
  auto all = cells(pod_printer, make("pods", text));
  size_t end = 0;
  for (int i = 0; i < 5; ++i)
    end = all.find('|', end + 1);
  return all.substr(0, end);
}

const std::string one = R"({"containers":[{"name":"c"}]})";
const std::string two = R"({"containers":[{"name":"a"},{"name":"b"}]})";
const std::string with_init = R"({"initContainers":[{"name":"i"},{"name":"s","restartPolicy":"Always"}],)"
                              R"("containers":[{"name":"c"}]})";

} // namespace

BOOST_AUTO_TEST_SUITE(table_suite)

BOOST_AUTO_TEST_CASE(pods_as_people_know_them) {
  struct row {
    std::string spec, status, expected, meta;
  };
  const row rows[] = {
      {one, R"({"phase":"Pending"})", "p|0/1|Pending|0|90s", ""},
      {one, R"({"phase":"Failed","reason":"Evicted"})", "p|0/1|Evicted|0|90s", ""},
      {one,
       R"({"phase":"Pending","conditions":[{"type":"PodScheduled","reason":"SchedulingGated","status":"False"}]})",
       "p|0/1|SchedulingGated|0|90s", ""},
      {one,
       R"({"phase":"Pending","containerStatuses":[{"name":"c","state":{"waiting":{"reason":"ContainerCreating"}}}]})",
       "p|0/1|ContainerCreating|0|90s", ""},
      {one, R"({"phase":"Running","containerStatuses":[{"name":"c","ready":true,"restartCount":3,
          "state":{"running":{}},"lastState":{"terminated":{"exitCode":1,"finishedAt":"2026-01-01T23:59:50Z"}}}]})",
       "p|1/1|Running|3 (10s ago)|90s", ""},
      {one, R"({"phase":"Running","containerStatuses":[{"name":"c","restartCount":2,"state":{"waiting":
          {"reason":"CrashLoopBackOff"}}}]})",
       "p|0/1|CrashLoopBackOff|2|90s", ""},
      {one, R"({"phase":"Succeeded","containerStatuses":[{"name":"c","state":{"terminated":{"exitCode":0,
          "reason":"Completed"}}}]})",
       "p|0/1|Completed|0|90s", ""},
      {one, R"({"phase":"Failed","containerStatuses":[{"name":"c","state":{"terminated":{"exitCode":3}}}]})",
       "p|0/1|ExitCode:3|0|90s", ""},
      {one,
       R"({"phase":"Failed","containerStatuses":[{"name":"c","state":{"terminated":{"exitCode":137,"signal":9}}}]})",
       "p|0/1|Signal:9|0|90s", ""},
      {two, R"({"phase":"Running","containerStatuses":[{"name":"a","state":{"terminated":{"exitCode":0,
          "reason":"Completed"}}},{"name":"b","ready":true,"state":{"running":{}}}]})",
       "p|1/2|NotReady|0|90s", ""},
      {two,
       R"({"phase":"Running","conditions":[{"type":"Ready","status":"True"}],"containerStatuses":[{"name":"a",
          "state":{"terminated":{"exitCode":0,"reason":"Completed"}}},{"name":"b","ready":true,"state":{"running":{}}}]})",
       "p|1/2|Running|0|90s", ""},
      {two,
       R"({"phase":"Running","containerStatuses":[{"name":"a","state":{"waiting":{"reason":"ErrImagePull"}}},
          {"name":"b","state":{"waiting":{"reason":"ContainerCreating"}}}]})",
       "p|0/2|ErrImagePull|0|90s", ""},
      {with_init, R"({"phase":"Pending","initContainerStatuses":[{"name":"i","state":{"running":{}}}]})",
       "p|0/2|Init:0/2|0|90s", ""},
      {with_init,
       R"({"phase":"Pending","initContainerStatuses":[{"name":"i","restartCount":1,"state":{"terminated":
          {"exitCode":1,"reason":"Error"}}}]})",
       "p|0/2|Init:Error|1|90s", ""},
      {with_init,
       R"({"phase":"Pending","initContainerStatuses":[{"name":"i","state":{"terminated":{"exitCode":7}}}]})",
       "p|0/2|Init:ExitCode:7|0|90s", ""},
      {with_init,
       R"({"phase":"Running","initContainerStatuses":[{"name":"i","restartCount":4,"state":{"terminated":
          {"exitCode":0}}},{"name":"s","ready":true,"started":true,"restartCount":2,"state":{"running":{}}}],
          "containerStatuses":[{"name":"c","ready":true,"state":{"running":{}}}]})",
       "p|2/2|Running|2|90s", ""},
      {with_init,
       R"({"phase":"Pending","initContainerStatuses":[{"name":"i","state":{"waiting":{"reason":"PodInitializing"}}}]})",
       "p|0/2|Init:0/2|0|90s", ""},
      {with_init,
       R"({"phase":"Pending","initContainerStatuses":[{"name":"i","restartCount":2,"state":{"waiting":
          {"reason":"CrashLoopBackOff"}}}]})",
       "p|0/2|Init:CrashLoopBackOff|2|90s", ""},
      {with_init,
       R"({"phase":"Pending","initContainerStatuses":[{"name":"i","state":{"terminated":{"exitCode":0}}},
          {"name":"s","started":false,"state":{"running":{}}}]})",
       "p|0/2|Init:1/2|0|90s", ""},
      {with_init,
       R"({"phase":"Pending","initContainerStatuses":[{"name":"i","state":{"terminated":{"exitCode":0}}},
          {"name":"s","started":true,"ready":true,"state":{"running":{}}}],
          "containerStatuses":[{"name":"c","state":{"waiting":{"reason":"PodInitializing"}}}]})",
       "p|1/2|PodInitializing|0|90s", ""},
      {with_init,
       R"({"phase":"Running","conditions":[{"type":"Initialized","status":"True"}],"initContainerStatuses":[
          {"name":"i","state":{"terminated":{"exitCode":0}}},
          {"name":"s","restartCount":1,"state":{"waiting":{"reason":"CrashLoopBackOff"}}}],
          "containerStatuses":[{"name":"c","ready":true,"restartCount":2,"state":{"running":{}}}]})",
       "p|1/2|Init:CrashLoopBackOff|3|90s", ""},
      {two, R"({"phase":"Failed","containerStatuses":[{"name":"a","state":{"terminated":{"exitCode":0,
          "reason":"Completed"}}},{"name":"b","state":{"terminated":{"exitCode":1,"reason":"Error"}}}]})",
       "p|0/2|Error|0|90s", ""},
      {one, R"({"phase":"Running"})", "p|0/1|Terminating|0|90s",
       R"(,"deletionTimestamp":"2026-01-02T00:00:00Z")"},
      {one, R"({"phase":"Running","reason":"NodeLost"})", "p|0/1|Unknown|0|90s",
       R"(,"deletionTimestamp":"2026-01-02T00:00:00Z")"},
      {one, R"({"phase":"Succeeded"})", "p|0/1|Succeeded|0|90s",
       R"(,"deletionTimestamp":"2026-01-02T00:00:00Z")"},
  };
  for (auto& r : rows)
    BOOST_TEST(pod_cells(r.spec, r.status, r.meta) == r.expected);
}

BOOST_AUTO_TEST_CASE(wide_cells_of_pods) {
  auto obj = make("pods", R"({"metadata":{"name":"p"},"spec":{"nodeName":"n1","containers":[{"name":"c"}],
    "readinessGates":[{"conditionType":"a"},{"conditionType":"b"}]},"status":{"phase":"Running","podIP":"9.9.9.9",
    "podIPs":[{"ip":"10.0.0.1"}],"conditions":[{"type":"a","status":"True"}]}})");
  BOOST_TEST(cells(pod_printer, obj) == "p|0/1|Running|0|<unknown>|10.0.0.1|n1|<none>|1/2");
  BOOST_TEST(pod_printer.conditions(obj).empty());
  auto done = make("pods", R"({"metadata":{"name":"p"},"spec":{},"status":{"phase":"Succeeded"}})");
  BOOST_TEST(json::serialize(pod_printer.conditions(done)).find("\"Completed\"") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(nodes_namespaces_leases) {
  auto n = make("nodes", R"({"metadata":{"name":"n1","creationTimestamp":"2025-12-30T00:00:00Z","labels":
    {"node-role.kubernetes.io/worker":"","node-role.kubernetes.io/control-plane":"","kubernetes.io/role":"edge"}},
    "spec":{"unschedulable":true},"status":{"conditions":[{"type":"Ready","status":"True"}],
    "addresses":[{"type":"InternalIP","address":"10.1.1.1"}],"nodeInfo":{"kubeletVersion":"v1.32.0","osImage":"Debian"}}})");
  BOOST_TEST(cells(node_printer, n)
             == "n1|Ready,SchedulingDisabled|control-plane,edge,worker|3d|v1.32.0|10.1.1.1|<none>|Debian|<"
                "unknown>|<unknown>");
  auto lost = make(
      "nodes", R"({"metadata":{"name":"n"},"status":{"conditions":[{"type":"Ready","status":"Unknown"}]}})");
  BOOST_TEST(cells(node_printer, lost).starts_with("n|NotReady|<none>|<unknown>"));
  BOOST_TEST(cells(node_printer, make("nodes", R"({"metadata":{"name":"n"}})")).starts_with("n|Unknown|"));
  BOOST_TEST(
      cells(namespace_printer, make("namespaces", R"({"metadata":{"name":"x"},"status":{"phase":"Active"}})"))
      == "x|Active|<unknown>");
  BOOST_TEST(
      cells(lease_printer, make("leases", R"({"metadata":{"name":"x"},"spec":{"holderIdentity":"n1"}})"))
      == "x|n1|<unknown>");
}

BOOST_AUTO_TEST_CASE(events_old_and_new) {
  auto text =
      R"({"kind":"Event","apiVersion":"v1","metadata":{"name":"x","namespace":"default"},"type":"Normal",
    "reason":"Started","message":" it runs \n","count":3,"firstTimestamp":"2026-01-01T23:55:00Z",
    "lastTimestamp":"2026-01-01T23:59:00Z","source":{"component":"podium","host":"n1"},
    "involvedObject":{"kind":"Pod","name":"web","fieldPath":"spec.containers{c}"}})";
  BOOST_TEST(cells(event_printer, make("events", text))
             == "60s|Normal|Started|pod/web|spec.containers{c}|podium, n1|it runs|5m|3|x");
  auto series = make(
      "events", R"({"metadata":{"name":"x"},"eventTime":"2026-01-01T23:55:00.000000Z","series":{"count":9,
    "lastObservedTime":"2026-01-01T23:59:55.000000Z"},"reportingComponent":"s","reportingInstance":"i",
    "involvedObject":{"kind":"Node"}})");
  BOOST_TEST(cells(event_printer, series) == "5s|||node||s, i||5m|9|x");
  auto event = json::parse(text).as_object();
  to_events_v1(event);
  BOOST_TEST(json::serialize(event).find("\"regarding\":{\"kind\":\"Pod\"") != std::string::npos);
  BOOST_TEST(event.at("note").as_string() == " it runs \n");
  BOOST_TEST(event.at("deprecatedCount") == json::value(3));
  BOOST_TEST(!event.contains("involvedObject"));
}

BOOST_AUTO_TEST_CASE(tables_are_what_kubectl_reads) {
  auto& pods = *find_resource("", "v1", "pods");
  object_ref ref{std::make_shared<const object>(
      object_key{"pods", "default", "p"}, 7,
      json::parse(
          R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","namespace":"default","labels":{"a":"b"}},
        "spec":{"containers":[{"name":"c"}]},"status":{"phase":"Pending"}})"))};
  output form{output_form::table, row_object::metadata};
  auto table = json::parse(render_list(pods, {ref}, {9, "token", 4}, form, now));
  BOOST_TEST(table.at("kind").as_string() == "Table");
  BOOST_TEST(table.at("metadata").at("continue").as_string() == "token");
  BOOST_TEST(table.at("metadata").at("remainingItemCount") == json::value(4));
  BOOST_TEST(table.at("columnDefinitions").as_array().size()
             == table.at("rows").at(0).at("cells").as_array().size());
  BOOST_TEST(table.at("rows").at(0).at("object").at("kind").as_string() == "PartialObjectMetadata");
  BOOST_TEST(table.at("rows").at(0).at("object").at("metadata").at("labels").at("a").as_string() == "b");
  form.include = row_object::object;
  table = json::parse(render_object(pods, *ref, form, now));
  BOOST_TEST(table.at("rows").at(0).at("object").at("kind").as_string() == "Pod");
  auto list = json::parse(render_list(pods, {ref, ref}, {9, "", 0}, {}, now));
  BOOST_TEST(list.at("kind").as_string() == "PodList");
  BOOST_TEST(list.at("items").as_array().size() == 2u);
  for (auto& r : all_resources()) {
    BOOST_TEST_CONTEXT(r.qualified()) {
      BOOST_REQUIRE(r.printer);
      // Metrics are answers only, and of services there are none: nothing of theirs is ever read.
      bool is_read = r.allows(api::v_create);
      if (is_read) BOOST_TEST(config::type_of(r.gvk()) != nullptr);
      auto empty = make("x", R"({"metadata":{"name":"x"}})");
      BOOST_TEST(r.printer->cells(empty, now).size() == r.printer->columns.size());
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
