// What a pod's annotations change of the node's timing: its restart back-off and its probes' periods. Pure.
#pragma once
#include "messages/node_settings.hpp"
#include "messages/pod.hpp"
#include "messages/runtime.hpp"

namespace podium {

/// `first=10ms,factor=2,max=1s,reset=1m`: each part may be left out and is the node's then.
constexpr std::string_view back_off_annotation = "podium.io/crash-loop-back-off";
/// `web.liveness=200ms,web.readiness=1s`: by container and probe.
constexpr std::string_view probe_period_annotation = "podium.io/probe-period";

struct pod_tuning {
  back_off_settings crash_loop;
  std::map<std::pair<std::string, probe_kind>, nanoseconds> periods;
  std::vector<std::string> faults; ///< what could not be read, and was passed over

  /// 0: the probe's own.
  nanoseconds period_of(const std::string& container, probe_kind kind) const;
};

/// Reads a pod's annotations over the node's settings. An annotation with a fault in it counts as none.
pod_tuning tuning_of(const pod& p, const back_off_settings& defaults);

} // namespace podium
