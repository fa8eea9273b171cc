// Defaulting: what Kubernetes' API server fills in before it validates and stores an object.
#pragma once
#include "config/schema.hpp"

#include <boost/json.hpp>
#include <caf/error.hpp>
#include <optional>

namespace podium::config {

namespace json = boost::json;

/// Fills in the defaults of a decoded object of kind `gvk`; kinds without defaults are left alone.
/// Idempotent.
void apply_defaults(const group_version_kind& gvk, json::value& object);

/// Kubernetes' SetDefaults of pods and what its default admission adds: tolerations of 300 s for nodes that
/// are not ready or unreachable, service account "default", priority. No token volume is added: there is no
/// token to mount.
void default_pod(json::value& pod);

/// The defaults of a pod's spec alone (for pod templates).
void default_pod_spec(json::object& spec);

/// Gives a new pod its first status: phase Pending and the QoS class. What the client sent as status is
/// dropped.
void init_pod_status(json::value& pod);

/// Allocatable is capacity where it is not given.
void default_node(json::value& node);

/// Phase Active, finalizer "kubernetes" and the label kubernetes.io/metadata.name.
void default_namespace(json::value& ns);

/// "Guaranteed", "Burstable" or "BestEffort" by the containers' cpu and memory (pod-semantics §6).
std::string qos_class(const json::object& pod_spec);

/// "Always" for images tagged latest or not tagged at all, else "IfNotPresent".
std::string_view default_pull_policy(std::string_view image);

/// The priority of a built-in priority class ("" has 0), or nothing if there is no such class.
std::optional<int32_t> priority_of_class(std::string_view name);

/// Why a pod's priority is refused, as Kubernetes' admission says it; "" if it is not. For a pod whose
/// defaults are not filled in yet.
std::string refused_priority(const json::value& pod);

} // namespace podium::config
