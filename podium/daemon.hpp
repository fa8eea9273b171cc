// The life of a daemon's process: started, served, ended by a signal or by its own failure.
#pragma once
#include "podium/engine.hpp"

#include <unistd.h>

namespace podium {

struct daemon_options {
  config::settings settings;
  std::vector<std::string> manifests; ///< applied once it runs; deleted again on SIGINT
  bool follow = false;                ///< print the pods' life; manifests imply it
  int out = STDOUT_FILENO;            ///< what the user reads: a descriptor; it may take nothing
  /// Called when it serves, before the manifests are applied.
  std::function<void(engine&)> ready;
};

/// Runs until SIGTERM (containers run on), SIGINT (what was applied is deleted), SIGUSR2 (all pods are
/// deleted), or until the engine fails. A signal during the start or while manifests are applied ends that
/// promptly; a second one ends the wait for deletions. Returns the process's exit code: 0 for an end that was
/// asked for, 130 for one that did not wait for its deletions, else 1, with the reason on stderr. Blocks
/// those signals in the calling thread for good; call it before other threads are made.
int run_daemon(const daemon_options& options);

} // namespace podium
