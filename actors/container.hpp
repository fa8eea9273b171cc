// One container of a pod: fetches its image, starts it, watches it, restarts it by policy with back-off,
// kills it with grace. What to do next is decided by container_rules; this actor carries it out and keeps
// going from its memory.
#pragma once
#include "actors/container_rules.hpp"
#include "actors/node_context.hpp"
#include "actors/pod_tuning.hpp"
#include "core/base_actor.hpp"

namespace podium {

class container final : public base_actor<container_actor> {
public:
  /// `name` finds the container in the pod's spec; `memory` is what an earlier actor of it reported last.
  container(caf::actor_config& cfg, node_context_ptr ctx, std::string path, pod_actor parent,
            image_puller_actor puller, object_ref pod, std::string name, container_memory memory);

protected:
  behavior_type handlers() override;
  void on_start() override;
  void ended() override;

private:
  const container_spec& spec() const { return *found_.spec; }
  restart_terms terms() const;
  container_key key() const;
  container_facts facts() const;
  bool running() const;

  void take_goal(const container_goal& goal);
  void take_probe(const probe_report& report);
  void step();
  void wake_at(wall_time when);

  // One operation is under way at a time; a newer one makes the answer of an older one void.
  uint64_t begin();
  bool current(uint64_t operation);

  void fetch_image();
  void fetch_failed(const caf::error& err);
  void create();
  caf::error resolve(create_container& request);
  void created(instance_memory next, const std::string& image);
  void replace_if_changed();
  void start();
  void started(const container_started& answer);
  void start_failed(const caf::error& err);
  void post_start();
  void watch();
  void ended_instance(const container_exit& exit);
  void pre_stop();
  /// Calls `then` with "" or what went wrong, once, unless another operation takes over.
  using hook_end = std::function<void(const std::string& error)>;
  void run_hook(const lifecycle_handler& hook, const std::string& name, nanoseconds limit, hook_end then);
  void run_hook_command(exec_sync request, clock_time until, uint64_t op, hook_end then);
  void signal(int32_t number);
  void remove_unstarted();
  void resync_with_runtime();
  void retry_soon();
  void retry_later(const std::string& reason, const caf::error& err);

  void take_tuning();
  /// Ends the running instance: `message` is the event's in Kubernetes' words, `cause` what it adds.
  void kill_for(const std::string& reason, const std::string& message, const std::string& cause,
                std::optional<int64_t> grace_seconds);
  void compute_flags();
  void spawn_probes();
  void spawn_probe(probe_kind kind, const probe_spec& probe);
  void tell_probes();
  void report();
  void event(const char* type, const char* reason, std::string message);

  const node_context_ptr ctx_;
  pod_actor parent_;
  image_puller_actor puller_;
  const std::string name_;
  // Survives a restart in place.
  container_memory memory_;
  container_goal goal_;
  found_container found_; ///< in the goal's pod
  pod_tuning tuning_;     ///< of the goal's pod
  bool up_ = false;       ///< it has been started before
  std::map<probe_kind, probe_actor> probes_;
  std::string last_report_;
  // Volatile.
  uint64_t operation_ = 0;
  bool busy_ = false, fetching_ = false, retrying_ = false, watching_ = false, settled_ = false;
  std::string image_id_;
  deadline_set::id wake_ = 0;
  std::optional<uint32_t> back_off_told_; ///< the instance whose back-off had its event
};

} // namespace podium
