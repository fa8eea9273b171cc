// The volumes of one node's pods as they lie on its disk and in its memory. Everything is found again from
// what is there: a new daemon has nothing to remember. Blocks: for a work pool's thread, one call for a pod's
// own volumes, and one for a path of the node, at a time.
#pragma once
#include "messages/volume_port.hpp"

#include <caf/expected.hpp>

namespace podium {

struct volume_settings {
  std::string root = "/var/lib/podium"; ///< pods/<uid>/volumes/<name>; volumes/<name> of persistent volumes
  std::string run_root = "/run/podium"; ///< volumes/<uid>/<name>: those that are memory
};

class volume_maker {
public:
  explicit volume_maker(volume_settings settings) : settings_(std::move(settings)) {}

  /// The directory that all of a pod is in: its volumes come before its sandbox. make() does so for volumes
  /// of the pod's own; what is made of the node's paths, at whatever time, brings back no pod that is gone.
  caf::error make_pod_directory(const std::string& pod_uid) const;
  /// Makes one after the other; a place has the error of the one that could not be made.
  volumes_set make(const set_volumes& request) const;
  /// The pod's directory goes too where nothing else is in it. Errors: errc::io, something is left.
  caf::error remove(const std::string& pod_uid) const;
  volume_usage usage(const std::string& pod_uid) const;
  /// Makes or removes the directory of a persistent volume; its first pod opens it for all. Errors: errc::io,
  /// errc::no_space, errc::invalid.
  caf::expected<volume_directory> persistent(const make_volume_directory& request) const;
  /// Takes away what is left in memory of pods that have no directory any more, and directories of persistent
  /// volumes that no pod has had yet.
  void sweep() const;

private:
  std::string disk_of(const std::string& pod_uid) const;
  std::string memory_of(const std::string& pod_uid) const;
  caf::expected<std::string> make_one(const set_volumes& request, const volume_wish& wish) const;
  caf::error open_persistent(const std::string& path) const;
  caf::error own_once(const set_volumes& request, const volume_wish& wish) const;

  volume_settings settings_;
};

} // namespace podium
