// A pod's volumes on their way into a container: subPaths pinned, propagation judged.
#pragma once
#include "messages/runtime.hpp"
#include "runtime/oci/host_facts.hpp"
#include "runtime/oci/instance_files.hpp"

#include <caf/error.hpp>

namespace podium {

/// Makes every mount of a container fit to be handed to the OCI runtime. What a subPath leads to, resolved so
/// that no link leads out of its volume, is bound to a place of the instance and becomes the source: nobody
/// can swap it meanwhile. A subPath that is not there is made, a directory. Errors: errc::container_config
/// (a propagation that this host cannot give; a subPath that cannot be), errc::io. Blocks.
caf::error prepare_mounts(const instance_paths& paths, const host_facts& host, create_container& request);

/// Takes the bound subPaths away again.
void release_mounts(const instance_paths& paths);

} // namespace podium
