// The pods' life as lines of text, as it happens.
#pragma once
#include "podium/engine.hpp"

#include <cstdio>

namespace podium {

class line_writer;

class pod_follower {
public:
  /// Writes a line to `out` for every change of a pod's row as `kubectl get pods` would show it. A reader
  /// that takes nothing holds nobody up: the oldest of too many lines are dropped.
  void start(engine& daemon, std::FILE* out);
  /// Waits until every line is written, but no longer than `limit`. Call it when the engine has ended: then
  /// all that happened has been told. False: some lines are lost.
  bool finish(std::chrono::milliseconds limit);

private:
  std::shared_ptr<line_writer> writer_;
};

} // namespace podium
