// Starts what crun has created, without another crun.
#pragma once
#include <string>

namespace podium {

/// Lets the init of a created container go on, as `crun start` does: it waits at the reading end of the fifo
/// "exec.fifo" in its state directory, and one byte there, once the name is gone, is all that `start` does
/// for a container without hooks (podium's have none). Starting the program for that costs about a sixth
/// of the whole start. False when there is no such fifo or nobody waits at it: nothing has happened then, and
/// the program itself must be asked. Never blocks.
bool release_init(const std::string& state_directory);

} // namespace podium
