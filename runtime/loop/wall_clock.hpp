// Keeps the actors' wall time right when somebody steps the machine's clock.
#pragma once
#include "core/actor_env.hpp"
#include "runtime/loop/event_loop.hpp"

namespace podium {

/// Wall time minus actor time, now.
nanoseconds measure_epoch_offset();

/// Moves `env`'s offset whenever the kernel says that CLOCK_REALTIME was set. Both must outlive the loop's
/// end.
void follow_wall_clock(event_loop& loop, env_ptr env);

} // namespace podium
