// The container runtime port over a simulated world: answers when the world has something to answer.
#pragma once
#include "core/base_actor.hpp"
#include "messages/interfaces.hpp"
#include "runtime/sim/sim_world.hpp"

#include <list>

namespace podium {

/// Simulated sandboxes and containers. The world outlives the actor: killing and spawning it anew loses no
/// container. Fenced as messages/runtime.hpp says; an exec that the container's end cuts short answers 137.
class sim_runtime final : public base_actor<container_runtime_actor> {
public:
  sim_runtime(caf::actor_config& cfg, env_ptr env, std::string path, std::shared_ptr<sim_world> world);
  ~sim_runtime() override;

protected:
  void on_start() override;
  void ended() override;
  behavior_type handlers() override;

private:
  template <class T>
  caf::result<T> reply_at(sim_due<T> due);
  caf::result<container_started> start(const container_key& key);
  caf::result<container_exit> wait(const container_key& key);
  caf::result<sandbox_end> wait(const wait_sandbox& request);
  caf::result<exec_result> exec(const exec_sync& request);
  void settle();
  void arm_next();
  void detach();

  struct running_exec {
    container_key key;
    std::string once; ///< asked for again, it is joined
    std::vector<caf::typed_response_promise<exec_result>> promises;
    deadline_set::id due = 0;
  };
  void answer(running_exec& exec, const caf::expected<exec_result>& outcome);

  std::shared_ptr<sim_world> world_;
  uint64_t subscription_ = 0;
  size_t exits_seen_ = 0;
  std::map<container_key, std::vector<caf::typed_response_promise<container_exit>>> waiting_;
  std::vector<std::pair<wait_sandbox, caf::typed_response_promise<sandbox_end>>> waiting_for_loss_;
  std::list<running_exec> execs_;
  std::map<std::pair<container_key, std::string>, exec_result> told_once_; ///< while the instance runs
  deadline_set::id next_ = 0;
  std::optional<clock_time> next_at_;
};

} // namespace podium
