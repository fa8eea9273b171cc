// The words between a node, its pods, their containers and probes; and what of each outlives its actor.
#pragma once
#include "core/described.hpp"
#include "messages/object.hpp"
#include "messages/runtime.hpp"
#include "messages/volume_port.hpp"

namespace podium {

/// A probe's counters and what it last stored: survives the probe actor. Source of the rules: pod-semantics
/// §1.2.
struct probe_memory {
  std::string container_id; ///< the instance that `stored` is of
  probe_verdict last = probe_verdict::error;
  int32_t run = 0;
  bool on_hold = false;
  std::optional<probe_verdict> stored;
  std::string output; ///< of the result that was stored last, at most 256 bytes: why a kill
};
BOOST_DESCRIBE_STRUCT(probe_memory, (), (container_id, last, run, on_hold, stored, output))

/// CrashLoopBackOff of one container: delay 0 is no entry yet. Source: pod-semantics §3.3.
struct back_off_memory {
  nanoseconds delay{0};
  nano_time last_update;
};
BOOST_DESCRIBE_STRUCT(back_off_memory, (), (delay, last_update))

/// A kill under way: its cause from end to end, and when SIGKILL is due.
struct kill_memory {
  std::string reason; ///< liveness, startup, termination, spec, postStart
  std::string message;
  int64_t grace_seconds = 0;
  bool pre_stop_ran = false, signalled = false, grace_over = false;
  nano_time deadline;
};
BOOST_DESCRIBE_STRUCT(kill_memory, (),
                      (reason, message, grace_seconds, pre_stop_ran, signalled, grace_over, deadline))

/// One finished or running instance as the API shows it, to the nanosecond.
struct instance_memory {
  uint32_t attempt = 0;
  std::string container_id, image_id;
  container_phase phase = container_phase::created;
  nano_time started_at, finished_at;
  int32_t exit_code = 0;
  std::string reason, message;
  uint32_t round = 0;          ///< the pod's round that it was made in
  bool post_start_due = false; ///< its postStart hook has not been through yet
};
BOOST_DESCRIBE_STRUCT(instance_memory, (),
                      (attempt, container_id, image_id, phase, started_at, finished_at, exit_code, reason,
                       message, round, post_start_due))

/// An image back-off and its last words. Source: pod-semantics §7.
struct pull_memory {
  nanoseconds delay{0};
  nano_time failed_at;
  std::string reason, message; ///< ErrImagePull, ... of the last try
};
BOOST_DESCRIBE_STRUCT(pull_memory, (), (delay, failed_at, reason, message))

/// What of a container outlives its actor: the pod keeps it, and the node's records carry it over a daemon
/// restart.
struct container_memory {
  std::optional<instance_memory> current, previous;
  std::optional<uint32_t> next_attempt;        ///< a start that is decided and not yet created
  std::string waiting_reason, waiting_message; ///< why no instance runs: CrashLoopBackOff, ErrImagePull, ...
  std::string image;                           ///< of the current instance: a change replaces it
  back_off_memory back_off;
  pull_memory pull;
  bool started = false, ready = false;
  std::optional<kill_memory> kill;
  std::map<std::string, probe_memory> probes; ///< by probe_kind
};
BOOST_DESCRIBE_STRUCT(container_memory, (),
                      (current, previous, next_attempt, waiting_reason, waiting_message, image, back_off,
                       pull, started, ready, kill, probes))

/// What of a pod outlives its actor.
struct pod_memory {
  std::string phase; ///< sticky once terminal
  bool terminating = false;
  std::string reason, message; ///< of status: DeadlineExceeded, Evicted, ...
  std::string pod_ip;          ///< of the sandbox; "" when there is none
  std::optional<nano_time> start_time;
  std::map<std::string, container_memory> containers;
  std::vector<condition> conditions;
  std::string sandbox_id;                 ///< of the last sandbox: with another one the pod begins anew
  std::map<std::string, uint32_t> rounds; ///< by container: how often it was to begin anew; none is 0
  std::string cause;                      ///< why it ends, for who is killed for it
};
BOOST_DESCRIBE_STRUCT(pod_memory, (),
                      (phase, terminating, reason, message, pod_ip, start_time, containers, conditions,
                       sandbox_id, rounds, cause))

/// A memory inside a message: shared and unchangeable, shown by its hash.
template <class T>
struct memory_ref {
  std::shared_ptr<const T> ptr;
  const T* operator->() const { return ptr.get(); }
  explicit operator bool() const { return ptr != nullptr; }
};
template <class Inspector, class T>
typename Inspector::result_type inspect(Inspector& f, memory_ref<T>& x) {
  if constexpr (described<T>) {
    uint64_t hash = x.ptr ? fnv1a(boost::json::serialize(to_json(*x.ptr))) : 0;
    return f(caf::meta::type_name("memory"), hash);
  } else {
    auto shown = x.ptr ? *x.ptr : T{};
    return f(caf::meta::type_name("memory"), shown);
  }
}

// -- between a node and its pods
// --------------------------------------------------------------------------------------

/// The latest version of a pod, to its actor. `removed`: the registry no longer has it (force delete): end it
/// now.
struct pod_update {
  object_ref object;
  bool removed = false;
};
BOOST_DESCRIBE_STRUCT(pod_update, (), (object, removed))

/// A pod's state, whole, to its node: what to publish, what to remember, and whether nothing of it is left to
/// do. `deleting`: its actor knew that the pod is deleted, so that `terminated` means that its records are
/// gone too.
struct pod_report {
  std::string uid;
  document_ref status;
  memory_ref<pod_memory> memory;
  bool terminated = false, deleting = false;
};
BOOST_DESCRIBE_STRUCT(pod_report, (), (uid, status, memory, terminated, deleting))

// -- between a pod and its containers
// ---------------------------------------------------------------------------------

/// What a pod wants of a container.
enum class container_wish : uint8_t {
  hold, ///< do not start yet: no sandbox, or not its turn
  run,  ///< run it by its restart policy
  stop, ///< end it within grace_seconds, start it no more
};
BOOST_DESCRIBE_ENUM(container_wish, hold, run, stop)

struct container_goal {
  object_ref pod;
  container_wish wish = container_wish::hold;
  std::string pod_ip;
  uint64_t number = 0;           ///< counts the goals: a report tells which was the last it knew
  uint32_t round = 0;            ///< instances of earlier rounds count as none: the container begins anew
  int64_t grace_seconds = 30;    ///< for stop; 0: without preStop, with the minimum
  std::string cause;             ///< for stop: why, in the words of events
  bool deleting = false;         ///< the pod ends: it is deleted, or has nothing more to do
  bool hold_signal = false;      ///< for stop: preStop may run, the stop signal waits for others to end first
  memory_ref<pod_inputs> inputs; ///< what the pod's spec refers to; null: nothing is known yet
  std::map<std::string, std::string> volumes; ///< where each volume lies on the node, by name
};
BOOST_DESCRIBE_STRUCT(container_goal, (),
                      (pod, wish, pod_ip, number, round, grace_seconds, cause, deleting, hold_signal, inputs,
                       volumes))

/// A container's state, whole, to its pod. `settled`: nothing runs and nothing is to be started, by the goal
/// of that number.
struct container_report {
  std::string name;
  memory_ref<container_memory> memory;
  bool settled = false;
  uint64_t goal = 0;
};
BOOST_DESCRIBE_STRUCT(container_report, (), (name, memory, settled, goal))

// -- between a container and its probes
// -------------------------------------------------------------------------------

/// What a probe must know of its container, whole.
struct probe_target {
  container_key key;
  std::string container_id, pod_ip; ///< id "" is no instance yet
  bool running = false, terminated = false, restartable = true, started = false, deleting = false;
  wall_time started_at;
  nanoseconds period{0}; ///< in place of the probe's own; 0 is none
};
BOOST_DESCRIBE_STRUCT(probe_target, (),
                      (key, container_id, pod_ip, running, terminated, restartable, started, deleting,
                       started_at, period))

/// A probe's counters after a change, and the words of the last result.
struct probe_report {
  probe_kind kind = probe_kind::liveness;
  memory_ref<probe_memory> memory;
  std::string output;
};
BOOST_DESCRIBE_STRUCT(probe_report, (), (kind, memory, output))

// -- images
// -----------------------------------------------------------------------------------------------------------

/// Asks the node's puller for an image by its pull policy; events go to the pod. Errors: image_pull,
/// image_name, image_inspect; not_found: policy Never and absent.
struct ensure_image {
  object_ref pod;
  std::string container, image, policy;
  std::vector<registry_login> logins; ///< from the pod's imagePullSecrets
};
BOOST_DESCRIBE_STRUCT(ensure_image, (), (pod, container, image, policy, logins))

/// The sender wants none of the images that it asked for any more, and no answer.
struct forget_images {};
BOOST_DESCRIBE_STRUCT(forget_images, (), ())

} // namespace podium
