// Which pods the scheduler places, what they want, and what it writes of one that fits nowhere. Pure.
#pragma once
#include "actors/placement_wants.hpp"
#include "core/time.hpp"
#include "messages/object.hpp"
#include "messages/pod.hpp"

#include <optional>
#include <string>

namespace podium {

constexpr auto scheduler_name = "default-scheduler";

/// Whether it asks for this scheduler, by name or by none.
bool ours(const pod& p);
/// Whether it has scheduling gates left.
bool gated(const object& pod);
/// Condition PodScheduled; null without it.
const condition* scheduled_condition(const pod& p);
placement::pod_wants wants_of(const object& pod);

/// The status with condition PodScheduled=False, reason Unschedulable; nothing where it says so already.
std::optional<boost::json::value> unschedulable_status(const object& pod, const std::string& why,
                                                       wall_time now);

} // namespace podium
