// The rules of the kinds that pods take data, identity and storage from, and what they share with pods.
#pragma once
#include "config/judged.hpp"

namespace podium::config {

// Of content alone: metadata is judged before (validate.cpp). (validate_data.cpp)
void validate_config_map(const json::value& object, field_causes& out);
void validate_config_map_update(const json::value& before, const json::value& after, field_causes& out);
void validate_secret(const json::value& object, field_causes& out);
void validate_secret_update(const json::value& before, const json::value& after, field_causes& out);

// (validate_storage.cpp)
void validate_persistent_volume(const json::value& object, field_causes& out);
void validate_persistent_volume_update(const json::value& before, const json::value& after,
                                       field_causes& out);
void validate_claim(const json::value& object, field_causes& out);
void validate_claim_update(const json::value& before, const json::value& after, field_causes& out);
void validate_storage_class(const json::value& object, field_causes& out);
void validate_storage_class_update(const json::value& before, const json::value& after, field_causes& out);

/// A NodeSelector: of node affinity, and of volumes. (validate_scheduling.cpp)
void validate_node_selector(const judged& selector);

} // namespace podium::config
