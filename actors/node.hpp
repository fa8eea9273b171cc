// The node: registers itself, renews its lease, follows the pods bound to it, supervises one actor for each,
// publishes what they report, and remembers what must outlive the daemon.
#pragma once
#include "actors/admission.hpp"
#include "actors/node_context.hpp"
#include "core/base_actor.hpp"

#include <set>

namespace podium {

class node_agent final : public base_actor<node_actor> {
public:
  node_agent(caf::actor_config& cfg, node_context ctx, std::string path);

protected:
  behavior_type handlers() override;
  void on_start() override;
  void ended() override;

private:
  struct entry {
    object_ref object;
    pod_actor actor;
    pod_memory memory;
    document_ref status; ///< the newest; null when it was published
    std::string stored;  ///< the memory as it was last written
    bool publishing = false, storing = false;
    bool removed = false, terminated = false, rejected = false;
  };

  // Coming up: machine facts, memories, runtime records, then the pods.
  void load_machine();
  void load_memories();
  void load_records();
  void list_pods();
  void watch_pods(uint64_t since);
  void take_list(const object_list& list);
  void retry(void (node_agent::*step)());

  // Pods.
  void take_pod(const object_ref& object);
  void lose_pod(const std::string& uid);
  void spawn_pod(const std::string& uid);
  admission_fault admit(const object& wanted) const;
  void reject(entry& e, const admission_fault& fault);
  void take_report(const pod_report& report);
  void publish(const std::string& uid);
  void remember(const std::string& uid);
  void finish(const std::string& uid);
  void forget(const std::string& uid);
  void remove_orphans();
  void remove_orphan(const std::string& uid);

  // The node object (node_registration.cpp).
  void register_node();
  void keep_alive();
  void update_status();
  void renew_lease();
  node_status make_status() const;

  node_context ctx_;
  node_context_ptr shared_;
  image_puller_actor puller_;
  // Survives a restart in place.
  std::map<std::string, entry> pods_;
  std::map<std::string, pod_memory> memories_; ///< loaded, and not yet claimed by a pod
  std::set<std::string> orphans_;              ///< pods that only the runtime knows
  std::vector<container_image> images_;
  node_status last_status_;
  clock_time last_report_{};
  bool up_ = false;
  // Volatile.
  clock_time relist_at_{};
  bool sweep_ = false;
  deadline_set::id status_timer_ = 0, lease_timer_ = 0;
};

} // namespace podium
