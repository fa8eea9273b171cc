// What a container does next: a pure function of what is wanted, what is known and the time; and what the API
// shows of it.
#pragma once
#include "actors/restart_rules.hpp"
#include "core/error.hpp"

namespace podium {

enum class container_step : uint8_t {
  idle,        ///< wait for a message
  wait,        ///< wait until `at`
  fetch_image, ///< make sure that the image is there
  create,      ///< create instance `attempt`
  start,       ///< start the created instance
  watch,       ///< wait for its end
  pre_stop,    ///< run the preStop hook
  terminate,   ///< send the stop signal
  kill,        ///< send SIGKILL
  settled,     ///< nothing runs, nothing is to be started
};
BOOST_DESCRIBE_ENUM(container_step, idle, wait, fetch_image, create, start, watch, pre_stop, terminate, kill,
                    settled)

struct container_decision {
  container_step step = container_step::idle;
  wall_time at; ///< for wait: when to decide again; for watch under a kill: when SIGKILL is due
};

/// Everything a decision looks at. `image_id` is volatile: the image was made sure of for the start under
/// way.
struct container_facts {
  const container_spec* spec = nullptr;
  restart_terms terms;
  uint32_t round = 0; ///< instances of earlier rounds count as none
  container_wish wish = container_wish::hold;
  bool deleting = false;
  bool hold_signal = false; ///< the stop signal waits for others, at most until the grace is over
  bool has_image = false;
  std::string pod_name; ///< name_namespace(uid), for the back-off's text
};

/// Decides, and moves `memory` where a decision has a memory (attempt, back-off, waiting reason, failed
/// probes' kills).
container_decision decide_container(const container_facts& facts, const back_off_settings& crash_loop,
                                    wall_time now, container_memory& memory);

/// Begins a kill: the first cause stays, a shorter grace wins.
/// `minimum` is what is left after a stop signal that was sent already.
void begin_kill(container_memory& memory, const kill_memory& kill, wall_time now, nanoseconds minimum);

/// While its postStart hook runs, and after one that failed until it has ended, a container is shown as being
/// created and is not probed.
bool in_post_start(const container_memory& memory);

/// A kill's cause from end to end, for its event and its status: what was decided, why, and what is sent.
std::string kill_text(const std::string& message, const std::string& cause, const container_spec& spec,
                      int64_t grace_seconds, nanoseconds minimum);

/// The first 256 bytes of a command's output, whole characters, without the line's end.
std::string brief(std::string_view output);

/// What a probe's failure was, in those words.
std::string probe_cause(const probe_spec& spec, const probe_memory& memory);

/// The instance's end, as the runtime tells it.
void note_exit(container_memory& memory, const container_exit& exit);

/// What the pod's status shows of a container; `waiting` is the reason of one that was not made yet. Source:
/// pod-semantics §5.3.
container_status status_of(const found_container& container, const container_memory* memory, uint32_t round,
                           const std::string& waiting);

/// Whether a port's error is its word on the request, and not a sign that the port itself was in trouble:
/// then the request, being idempotent, is simply sent again.
bool is_refusal(errc code);

/// Takes over what the runtime still holds of a container, newest attempt last. Older news changes nothing.
/// `round` is the pod's for it.
void adopt_record(container_memory& memory, const container_record& record, uint32_t round);

/// Whether the container's hash fields (image) differ from the running instance's.
bool image_changed(const container_spec& spec, const container_memory& memory);

} // namespace podium
