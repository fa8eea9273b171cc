// One pod on its node: sandbox, containers, status; sync, then terminating, then terminated, never back.
#pragma once
#include "actors/container_order.hpp"
#include "actors/node_context.hpp"
#include "actors/pod_inputs.hpp"
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
  bool sandbox_may_come() const;
  void warn_of_dns();
  void make_sandbox();
  void sandbox_made(const sandbox_info& info);
  /// Watches over a sandbox that may end before its pod does.
  void watch_sandbox();
  void renew_sandbox(const std::string& why);
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

  // What the spec refers to, and volumes (pod_volumes.cpp).
  void follow(bool again = false);
  void take_inputs(const memory_ref<pod_inputs>& inputs);
  input_facts facts_for_inputs() const;
  /// Whether everything that containers need before they start is there.
  bool volumes_ready() const;
  /// Makes the volumes so where something changed since the last time.
  void step_volumes();
  void volumes_changed();
  /// Asks for the tokens that are missing or old. False: some are on their way.
  bool fetch_tokens();
  void set_wishes(volume_plan plan);
  void await_volumes(const std::string& names);
  void take_places(const volumes_set& made, std::vector<volume_place> failures);
  void retry_volumes();
  void watch_sizes();
  void look_at_sizes(const volume_usage& usage);
  void end_volumes();

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
  bool up_ = false; ///< it has been started before
  std::string last_report_;
  std::vector<std::string> tuning_faults_; ///< that have had their event
  bool dns_told_ = false;
  uint64_t goals_ = 0; ///< counts what containers were told
  struct held_token {
    issued_token issued;
    wall_time refresh_at;
    bool asking = false;
  };
  std::map<std::pair<std::string, std::string>, held_token> tokens_; ///< by volume and path
  std::map<std::string, std::string> places_;                        ///< of the volumes, by name
  uint64_t inputs_version_ = 0; ///< counts changes of what containers are told of inputs and places
  std::string last_ip_;         ///< of the last sandbox, this one or an earlier one
  // Volatile.
  pod_orders orders_;
  bool busy_ = false, has_sandbox_ = false;
  std::string lost_; ///< not "": why the sandbox is of no use: all in it is ended, then it is made anew
  struct volume_state {
    std::vector<object_key> followed; ///< what the follower was told last
    bool awaiting = false;            ///< the follower was told and has not answered
    bool asking = false, changed = true;
    bool made = false;                         ///< all were there once
    bool removed = false;                      ///< all are gone
    std::map<std::string, uint64_t> made_from; ///< by volume: the signature of the wish that it was made by
    std::map<std::string, std::string> labels, annotations; ///< what the files were made from
    nanoseconds retry_delay{0};
    deadline_set::id retry = 0, refresh = 0, check = 0;
  } volume_;
  deadline_set::id deadline_ = 0, resync_ = 0, sandbox_retry_ = 0, teardown_retry_ = 0;
};

} // namespace podium
