// The pods' life as lines of text, as it happens.
#pragma once
#include "podium/engine.hpp"
#include "podium/line_writer.hpp"

namespace podium {

/// Adds a line to `out` for every change of a pod's row as `kubectl get pods` would show it, until the engine
/// ends.
void follow_pods(engine& daemon, std::shared_ptr<line_writer> out);

} // namespace podium
