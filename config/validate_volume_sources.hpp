// What the kinds of volumes need besides a few texts. For validate_volumes.cpp.
#pragma once
#include "config/judged.hpp"

namespace podium::config {

void validate_empty_dir(const judged& source);
void validate_host_path(const judged& source);
void validate_git_repo(const judged& source);
void validate_partition(const judged& source);
void validate_nfs(const judged& source);
void validate_iscsi(const judged& source);
void validate_flocker(const judged& source);
void validate_monitors(const judged& source);
void validate_fibre_channel(const judged& source);
void validate_csi(const judged& source);
void validate_ephemeral_volume(const judged& source);
void validate_image_volume(const judged& source);
/// Secret and ConfigMap.
void validate_keys_volume(const judged& source);
void validate_downward_volume(const judged& source);
void validate_projected(const judged& source);

} // namespace podium::config
