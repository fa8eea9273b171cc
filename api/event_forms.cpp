#include "api/event_forms.hpp"

#include <string_view>
#include <utility>

namespace podium::api {

void to_events_v1(boost::json::object& event) {
  static constexpr std::pair<std::string_view, std::string_view> renamed[] = {
      {"involvedObject", "regarding"},
      {"message", "note"},
      {"reportingComponent", "reportingController"},
      {"source", "deprecatedSource"},
      {"firstTimestamp", "deprecatedFirstTimestamp"},
      {"lastTimestamp", "deprecatedLastTimestamp"},
      {"count", "deprecatedCount"}};
  for (auto& [core, events] : renamed)
    if (auto i = event.find(core); i != event.end()) {
      auto value = std::move(i->value());
      event.erase(i);
      event[events] = std::move(value);
    }
  event["apiVersion"] = "events.k8s.io/v1";
  if (!event.contains("eventTime")) event["eventTime"] = nullptr;
}

} // namespace podium::api
