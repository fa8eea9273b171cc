// What a node's actors ask of the outside world about volumes and service account tokens, and how a pod
// learns of the objects that its spec refers to.
#pragma once
#include "core/described.hpp"
#include "messages/object.hpp"

namespace podium {

/// What stands behind a volume on the node.
enum class volume_kind : uint8_t {
  directory, ///< a new directory of the pod (emptyDir)
  memory,    ///< a new tmpfs of the pod (emptyDir, medium Memory)
  files,     ///< files with given contents (configMap, secret, downwardAPI, projected)
  host_path, ///< a path of the node (hostPath; a persistent volume's path)
};
BOOST_DESCRIBE_ENUM(volume_kind, directory, memory, files, host_path)

struct volume_file {
  std::string path;                        ///< relative, below the volume's root
  std::shared_ptr<const std::string> data; ///< shared with every version that has the same content
  int32_t mode = 0644;
  int64_t user = 0; ///< who owns it
};
/// Shown by its content's hash: what is secret stays out of traces.
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, volume_file& x) {
  uint64_t hash = x.data ? fnv1a(*x.data) : 0;
  return f(caf::meta::type_name("volume_file"), x.path, hash, x.mode, x.user);
}

/// One volume as it is to be.
struct volume_wish {
  std::string name;
  volume_kind kind = volume_kind::directory;
  int64_t size_limit_bytes = 0;   ///< of memory and directory; 0 is none
  std::string path, type;         ///< of host_path: the path and HostPathType
  bool read_only = false;         ///< of host_path: whoever mounts it
  bool group_owned = false;       ///< of host_path: the pod's fsGroup owns it too (local persistent volumes)
  bool in_memory = false;         ///< of files: kept off the disk (secrets, tokens)
  std::vector<volume_file> files; ///< of files: all of them; others that were there go
};
BOOST_DESCRIBE_STRUCT(volume_wish, (),
                      (name, kind, size_limit_bytes, path, type, read_only, group_owned, in_memory, files))

/// Makes a pod's volumes so, and files' contents as they are given now, each volume's at once (a reader sees
/// the old files or the new). Idempotent, whole state. Volumes that are not named any more stay.
struct set_volumes {
  std::string pod_uid;
  int64_t fs_group = -1;         ///< of the pod's security context; -1 is none
  bool on_root_mismatch = false; ///< fsGroupChangePolicy: a root that is right already stands for the whole
  std::vector<volume_wish> volumes;
};
BOOST_DESCRIBE_STRUCT(set_volumes, (), (pod_uid, fs_group, on_root_mismatch, volumes))

/// Where a volume lies on the node; `error` not "": it could not be made, why.
struct volume_place {
  std::string name, path, error;
};
BOOST_DESCRIBE_STRUCT(volume_place, (), (name, path, error))

struct volumes_set {
  std::vector<volume_place> volumes;
};
BOOST_DESCRIBE_STRUCT(volumes_set, (), (volumes))

/// Unmounts and deletes what set_volumes made for a pod; what lies behind host paths stays. Idempotent.
struct remove_volumes {
  std::string pod_uid;
};
BOOST_DESCRIBE_STRUCT(remove_volumes, (), (pod_uid))

/// Asks how much a pod's directories and memory volumes hold, in bytes by volume name.
struct get_volume_usage {
  std::string pod_uid;
};
BOOST_DESCRIBE_STRUCT(get_volume_usage, (), (pod_uid))

struct volume_usage {
  std::map<std::string, int64_t> used_bytes;
};
BOOST_DESCRIBE_STRUCT(volume_usage, (), (used_bytes))

/// Makes the directory of a provisioned persistent volume, or deletes it with all that is in it. Idempotent.
/// Errors: io, no_space.
struct make_volume_directory {
  std::string volume_name;
  bool remove = false;
};
BOOST_DESCRIBE_STRUCT(make_volume_directory, (), (volume_name, remove))

struct volume_directory {
  std::string path;
};
BOOST_DESCRIBE_STRUCT(volume_directory, (), (path))

/// Asks for a signed token of a service account, bound to an object where one is named: it is worth nothing
/// once that is gone. Errors: not_found (no such account), invalid.
struct request_token {
  std::string ns, service_account, service_account_uid;
  std::vector<std::string> audiences; ///< none: the API server's own
  int64_t expiration_seconds = 3600;
  std::string bound_kind, bound_name, bound_uid; ///< Pod, Secret or Node; "" is none
};
BOOST_DESCRIBE_STRUCT(request_token, (),
                      (ns, service_account, service_account_uid, audiences, expiration_seconds, bound_kind,
                       bound_name, bound_uid))

struct issued_token {
  std::string token;
  wall_time expires_at;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, issued_token& x) {
  return f(caf::meta::type_name("issued_token"), x.expires_at);
}

/// Tells the node's follower of objects what a pod refers to, whole; an empty list ends it. Answered by
/// pod_inputs, now and after every change.
struct follow_objects {
  std::string pod_uid;
  std::vector<object_key> keys;
};
BOOST_DESCRIBE_STRUCT(follow_objects, (), (pod_uid, keys))

/// The objects that a pod refers to, as they are; one that is not there is missing. Whole state, to the pod.
struct pod_inputs {
  std::map<object_key, object_ref> objects;
  bool complete = false; ///< every resource asked for has been read: what is missing does not exist
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, pod_inputs& x) {
  std::vector<object_ref> refs;
  for (auto& [key, ref] : x.objects)
    refs.push_back(ref);
  return f(caf::meta::type_name("pod_inputs"), refs, x.complete);
}

} // namespace podium
