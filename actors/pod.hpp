// One pod on its node: sandbox, containers, status; sync, then terminating, then terminated, never back.
#pragma once
#include "actors/container_order.hpp"
#include "actors/node_context.hpp"
#include "core/base_actor.hpp"

namespace podium {

class pod_supervisor final : public base_actor<pod_actor> {
public:
  /// `memory` is what an earlier actor of this pod reported last, or what the node's records kept over a
  /// restart.
  pod_supervisor(caf::actor_config& cfg, node_context_ptr ctx, std::string path, node_actor parent,
                 object_ref pod, bool removed, pod_memory memory);

protected:
  behavior_type handlers() override;
  void on_start() override;
  void ended() override;

private:
  struct child {
    container_actor actor;
    bool settled = false;
    uint64_t goal = 0; ///< the number of the last goal it was told
    std::string last_goal{};
  };

  void take_update(const pod_update& update);
  void take_report(const container_report& report);
  void step();
  bool gone() const;
  bool should_terminate() const;
  bool all_settled() const;
  bool any_alive() const;

  void judge();
  pod_stage stage() const;
  void terminate(const std::string& cause);
  void make_sandbox();
  void sandbox_made(const sandbox_info& info);
  void renew_sandbox();
  void remove_lost_sandbox();
  void tear_down();
  /// Steps again after a while; `wait` is not 0 until then.
  void retry_later(deadline_set::id& wait);
  // Its containers (pod_containers.cpp).
  void spawn_containers();
  void spawn_container(const std::string& name);
  void tell_containers(bool again = false);
  container_goal common_goal() const;
  bool reset_is_through() const;
  void warn_of_tuning();
  void watch_deadline();
  pod_status current_status() const;
  void report();
  void event(const char* type, const char* reason, std::string message);

  const node_context_ptr ctx_;
  node_actor parent_;
  // Survives a restart in place.
  object_ref object_;
  memory_ref<pod_inputs> inputs_; ///< what the spec refers to, as it is; null before the first word
  bool removed_ = false;
  pod_memory memory_;
  std::map<std::string, child> containers_;
  bool torn_down_ = false, records_kept_ = false;
  std::string last_report_;
  std::vector<std::string> tuning_faults_; ///< that have had their event
  uint64_t goals_ = 0;                     ///< counts what containers were told
  // Volatile.
  pod_orders orders_;
  bool busy_ = false, has_sandbox_ = false;
  bool renewing_ = false; ///< the sandbox is of no use: everything in it is ended, then it is made anew
  deadline_set::id deadline_ = 0, resync_ = 0, sandbox_retry_ = 0, teardown_retry_ = 0;
};

} // namespace podium
