// The condition that tells why a pod is taken away from outside.
#pragma once
#include "core/time.hpp"

#include <boost/json.hpp>
#include <string_view>

namespace podium {

/// Sets condition DisruptionTarget of a pod's document to True.
inline void mark_disrupted(boost::json::object& pod, std::string_view reason, std::string_view message,
                           wall_time now) {
  auto& status = pod["status"];
  if (!status.is_object()) status = boost::json::object{};
  auto& conditions = status.get_object()["conditions"];
  if (!conditions.is_array()) conditions = boost::json::array{};
  auto& list = conditions.get_array();
  for (auto i = list.begin(); i != list.end();) {
    auto* o = i->if_object();
    auto* type = o ? o->if_contains("type") : nullptr;
    i = type && *type == boost::json::value("DisruptionTarget") ? list.erase(i) : i + 1;
  }
  list.push_back({{"type", "DisruptionTarget"},
                  {"status", "True"},
                  {"lastProbeTime", nullptr},
                  {"lastTransitionTime", to_rfc3339(now)},
                  {"reason", reason},
                  {"message", message}});
}

} // namespace podium
