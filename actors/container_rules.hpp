// What a container does next: a pure function of what is wanted, what is known and the time; and what the API
// shows of it.
#pragma once
#include "core/error.hpp"
#include "messages/lifecycle.hpp"
#include "messages/node_settings.hpp"

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
  std::string policy; ///< Always, OnFailure, Never
  container_wish wish = container_wish::hold;
  bool deleting = false;
  bool has_image = false;
  std::string pod_name; ///< name_namespace(uid), for the back-off's text
};

/// Decides, and moves `memory` where a decision has a memory (attempt, back-off, waiting reason, failed
/// probes' kills).
container_decision decide_container(const container_facts& facts, const node_settings& settings,
                                    wall_time now, container_memory& memory);

/// Begins a kill: the first cause stays, a shorter grace wins.
void begin_kill(container_memory& memory, const kill_memory& kill, wall_time now);

/// The instance's end, as the runtime tells it.
void note_exit(container_memory& memory, const container_exit& exit);

/// What the pod's status shows of a container. Source: pod-semantics §5.3.
container_status status_of(const container_spec& spec, const container_memory* memory, bool pod_initialized);

/// Whether an ended container is followed by another instance: by its policy, or because a probe or a change
/// killed it.
bool will_restart(std::string_view policy, const container_memory& memory);

/// Whether a port's error is its word on the request, and not a sign that the port itself was in trouble:
/// then the request, being idempotent, is simply sent again.
bool is_refusal(errc code);

/// Takes over what the runtime still holds of a container, newest attempt last. Older news changes nothing.
void adopt_record(container_memory& memory, const container_record& record);

/// Whether the container's hash fields (image) differ from the running instance's.
bool image_changed(const container_spec& spec, const container_memory& memory);

} // namespace podium
