#include "api/event_forms.hpp"

#include <string_view>
#include <utility>

namespace podium::api {

namespace {

namespace json = boost::json;

/// Core's name and the other group's.
constexpr std::pair<std::string_view, std::string_view> renamed[] = {
    {"involvedObject", "regarding"},
    {"message", "note"},
    {"reportingComponent", "reportingController"},
    {"source", "deprecatedSource"},
    {"firstTimestamp", "deprecatedFirstTimestamp"},
    {"lastTimestamp", "deprecatedLastTimestamp"},
    {"count", "deprecatedCount"}};

void rename(json::object& event, std::string_view from, std::string_view to) {
  auto i = event.find(from);
  if (i == event.end()) return;
  auto value = std::move(i->value());
  event.erase(i);
  event[to] = std::move(value);
}

} // namespace

void to_events_v1(json::object& event) {
  for (auto& [core, events] : renamed)
    rename(event, core, events);
  event["apiVersion"] = "events.k8s.io/v1";
  if (!event.contains("eventTime")) event["eventTime"] = nullptr;
}

void from_events_v1(json::object& event) {
  for (auto& [core, events] : renamed)
    rename(event, events, core);
  event["apiVersion"] = "v1";
}

} // namespace podium::api
