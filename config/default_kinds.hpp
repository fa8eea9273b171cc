// Defaults of ConfigMaps, Secrets, PersistentVolumes, PersistentVolumeClaims and StorageClasses.
#pragma once
#include "config/schema.hpp"

#include <boost/json.hpp>

namespace podium::config {

/// Kubernetes' SetDefaults of these kinds. What a Secret has as stringData becomes its data. Idempotent;
/// other kinds are left alone.
void default_other_kinds(const group_version_kind& gvk, boost::json::value& object);

/// Gives a new object of these kinds its first status. What the client sent as status is dropped.
void init_storage_status(const group_version_kind& gvk, boost::json::value& object);

/// Gives a new volume or claim the finalizer that keeps it while it is in use. Source: the admission plugin
/// StorageObjectInUseProtection.
void protect_storage_object(const group_version_kind& gvk, boost::json::value& object);

} // namespace podium::config
