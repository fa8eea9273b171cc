// The pods' life as lines of text, as it happens.
#pragma once
#include "podium/engine.hpp"

#include <cstdio>

namespace podium {

/// Writes a line to `out` for every change of a pod's row as `kubectl get pods` would show it.
void follow_pods(engine& daemon, std::FILE* out);

} // namespace podium
