// What kind of machine this is, as a Node object shows it.
#pragma once
#include "messages/node.hpp"
#include <string>

namespace podium {

/// Capacity, allocatable (memory without the 100Mi below which Kubernetes evicts) and system information;
/// `addresses` is left empty. `root` is the directory whose file system counts as ephemeral storage. Blocks
/// for a few system calls.
machine_facts read_machine_facts(const std::string& root, const std::string& runtime_version);

/// "crun://1.8.1" from the first line that a runtime's --version prints; "crun://unknown" for anything else.
std::string runtime_version_of(const std::string& name, const std::string& version_output);

} // namespace podium
