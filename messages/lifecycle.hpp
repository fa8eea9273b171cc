// The words between a node, its pods, their containers and probes; and what of each outlives its actor.
#pragma once
#include "core/described.hpp"
#include "messages/object.hpp"
#include "messages/runtime.hpp"

namespace podium {

/// A probe's counters and what it last stored: survives the probe actor. Source of the rules: pod-semantics
/// §1.2.
struct probe_memory {
  std::string container_id; ///< the instance that `stored` is of
  probe_verdict last = probe_verdict::error;
  int32_t run = 0;
  bool on_hold = false;
  std::optional<probe_verdict> stored;
};
BOOST_DESCRIBE_STRUCT(probe_memory, (), (container_id, last, run, on_hold, stored))

/// CrashLoopBackOff of one container: delay 0 is no entry yet. Source: pod-semantics §3.3.
struct back_off_memory {
  nanoseconds delay{0};
  nano_time last_update;
};
BOOST_DESCRIBE_STRUCT(back_off_memory, (), (delay, last_update))

/// A kill under way: its cause from end to end, and when SIGKILL is due.
struct kill_memory {
  std::string reason; ///< liveness, startup, termination, spec change
  std::string message;
  int64_t grace_seconds = 0;
  bool pre_stop_ran = false, signalled = false;
  nano_time deadline;
};
BOOST_DESCRIBE_STRUCT(kill_memory, (), (reason, message, grace_seconds, pre_stop_ran, signalled, deadline))

/// One finished or running instance as the API shows it, to the nanosecond.
struct instance_memory {
  uint32_t attempt = 0;
  std::string container_id, image_id;
  container_phase phase = container_phase::created;
  nano_time started_at, finished_at;
  int32_t exit_code = 0;
  std::string reason, message;
};
BOOST_DESCRIBE_STRUCT(instance_memory, (),
                      (attempt, container_id, image_id, phase, started_at, finished_at, exit_code, reason,
                       message))

/// What of a container outlives its actor: the pod keeps it, and the node's records carry it over a daemon
/// restart.
struct container_memory {
  std::optional<instance_memory> current, previous;
  std::string waiting_reason, waiting_message; ///< why no instance runs: CrashLoopBackOff, ErrImagePull, ...
  std::string image;                           ///< of the current instance: a change replaces it
  back_off_memory back_off, pull_back_off;
  std::string last_pull_error;
  bool started = false, ready = false;
  std::optional<kill_memory> kill;
  std::map<std::string, probe_memory> probes; ///< by probe_kind
};
BOOST_DESCRIBE_STRUCT(container_memory, (),
                      (current, previous, waiting_reason, waiting_message, image, back_off, pull_back_off,
                       last_pull_error, started, ready, kill, probes))

/// What of a pod outlives its actor.
struct pod_memory {
  std::string phase; ///< sticky once terminal
  bool terminating = false;
  std::string reason, message; ///< of status: DeadlineExceeded, Evicted, ...
  std::optional<nano_time> start_time, kill_deadline;
  std::map<std::string, container_memory> containers;
  std::vector<condition> conditions;
};
BOOST_DESCRIBE_STRUCT(pod_memory, (),
                      (phase, terminating, reason, message, start_time, kill_deadline, containers,
                       conditions))

/// A memory inside a message: shared and unchangeable, shown by its hash.
template <class T>
struct memory_ref {
  std::shared_ptr<const T> ptr;
  const T* operator->() const { return ptr.get(); }
  explicit operator bool() const { return ptr != nullptr; }
};
template <class Inspector, class T>
typename Inspector::result_type inspect(Inspector& f, memory_ref<T>& x) {
  uint64_t hash = x.ptr ? fnv1a(boost::json::serialize(to_json(*x.ptr))) : 0;
  return f(caf::meta::type_name("memory"), hash);
}

} // namespace podium
