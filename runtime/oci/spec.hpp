// From what Kubernetes asks to what an OCI runtime reads: a container's config.json, as a pure function.
#pragma once
#include "messages/runtime.hpp"
#include "runtime/image/image_record.hpp"
#include "runtime/oci/host_facts.hpp"
#include "runtime/oci/user.hpp"
#include <boost/json.hpp>
#include <caf/expected.hpp>
#include <string>

namespace podium {

/// Where a container's surroundings are on the host.
struct container_places {
  std::string rootfs;                         ///< the mounted root file system
  std::string cgroup;                         ///< "/podium/pod<uid>/<container id>"
  std::string net_ns, ipc_ns, uts_ns, pid_ns; ///< pinned namespaces of the pod; empty: the host's
  std::string shm;                            ///< the pod's /dev/shm
  std::string hosts, hostname, resolv_conf;   ///< files of the pod, mounted at /etc/…
  std::string termination_log;                ///< mounted at the container's terminationMessagePath
};

/// The process's argument list by Kubernetes' rule: `command` replaces ENTRYPOINT and drops CMD, `args`
/// replaces CMD. Error: errc::container_create when nothing is left.
caf::expected<std::vector<std::string>> process_args(const container_spec& spec, const image_config& image);

/// The process's environment: a default PATH, the image's, HOSTNAME, TERM for a terminal, the container's;
/// the last of one name wins.
std::vector<std::string> process_env(const container_spec& spec, const image_config& image,
                                     const std::string& hostname);

/// Capabilities of a container: the usual fourteen, `add` and `drop` applied ("ALL" included), cut to what
/// the host has. Error: errc::container_create for a name that does not exist.
caf::expected<std::vector<std::string>> process_capabilities(const container_spec& spec,
                                                             const host_facts& host);

/// The whole document. Errors: errc::container_create.
///
/// Without seccomp, which is added to it (runtime/oci/seccomp) when a pod asks for it: the common profile
/// adds 13 to 19 ms to every start (it is compiled anew each time), three times what the rest of crun costs,
/// and Kubernetes' own default is Unconfined too.
caf::expected<boost::json::object> make_oci_spec(const create_container& request, const image_config& image,
                                                 const resolved_user& user, const host_facts& host,
                                                 const container_places& places);

} // namespace podium
