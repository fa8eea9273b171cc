// Kernel parameters of a pod's own network and IPC namespaces.
#pragma once
#include "runtime/oci/sandbox_files.hpp"

namespace podium {

/// Sets what the pod's security context asks for, in the namespaces that are pinned for it; nothing of the
/// host's is ever changed. Blocks for some system calls. Idempotent. Errors: invalid (no parameter of a
/// namespace, or of one that the pod shares with the host), io (the kernel does not know or refuses it).
caf::error set_sysctls(const sandbox_paths& paths, const create_sandbox& request);

} // namespace podium
