// What a namespace that is being emptied says of its progress. Pure.
#pragma once
#include "core/time.hpp"
#include "messages/object.hpp"

#include <map>
#include <optional>
#include <string>

namespace podium::namespace_rules {

/// What is still in a namespace: how many objects of each resource, and how many wait for each finalizer.
struct remains {
  std::map<std::string, size_t> resources, finalizers;
  void add(const object_ref& ref);
};

/// The namespace's status with the five conditions that tell of `left`; nothing when it says so already.
/// Source: namespaceConditionUpdater.
std::optional<boost::json::object> next_status(const object& ns, const remains& left, wall_time now);

} // namespace podium::namespace_rules
