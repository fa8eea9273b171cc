// metav1.ObjectMeta as actors read it.
#pragma once
#include "core/described.hpp"

namespace podium {

struct owner_reference {
  std::string api_version, kind, name, uid;
  std::optional<bool> controller, block_owner_deletion;
};
BOOST_DESCRIBE_STRUCT(owner_reference, (), (api_version, kind, name, uid, controller, block_owner_deletion))

struct object_meta {
  std::string name, generate_name, namespace_, uid, resource_version;
  std::optional<int64_t> generation, deletion_grace_period_seconds;
  std::optional<wall_time> creation_timestamp, deletion_timestamp;
  std::map<std::string, std::string> labels, annotations;
  std::vector<owner_reference> owner_references;
  std::vector<std::string> finalizers;
};
BOOST_DESCRIBE_STRUCT(object_meta, (),
                      (name, generate_name, namespace_, uid, resource_version, generation,
                       deletion_grace_period_seconds, creation_timestamp, deletion_timestamp, labels,
                       annotations, owner_references, finalizers))

} // namespace podium
