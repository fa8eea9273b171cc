// Events have two forms, core/v1 and events.k8s.io/v1; the registry keeps the first.
#pragma once
#include <boost/json.hpp>

namespace podium::api {

/// Turns a core/v1 Event into an events.k8s.io/v1 one.
void to_events_v1(boost::json::object& event);
/// The other way round.
void from_events_v1(boost::json::object& event);

} // namespace podium::api
