// The node: registers itself, renews its lease, follows the pods bound to it, supervises one actor for each,
// publishes what they report, and remembers what must outlive the daemon.
#pragma once
#include "actors/admission.hpp"
#include "actors/node_context.hpp"
#include "actors/registry_reflector.hpp"
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
    bool removed = false, terminated = false, rejected = false, judging = false, waits_for_claim = false;
  };

  /// Somebody who waits until nothing is left of the pods that were removed before it asked.
  struct waiter {
    uint64_t id = 0;
    caf::typed_response_promise<ack> promise;
    bool looked = false; ///< the registry was asked since: all removals are known
  };
  /// Where the store keeps what of a pod outlives the daemon.
  static std::string memory_row_of(const std::string& uid) { return std::string{memory_rows} + uid; }
  static constexpr std::string_view memory_rows = "/node/pods/";

  // Coming up: machine facts, memories, runtime records, then the pods.
  void load_machine();
  void spawn_follower();
  void spawn_image_actors();
  void load_memories();
  void load_records();
  void list_pods();
  void watch_pods(uint64_t since);
  void take_list(const object_list& list);
  void compare_with(const object_list& list);
  void retry(void (node_agent::*step)());

  // Pods.
  void take_pod(const object_ref& object);
  void lose_pod(const std::string& uid);
  void spawn_pod(const std::string& uid);
  void take_report(const pod_report& report);
  void publish(const std::string& uid);
  void remember(const std::string& uid);
  void finish(const std::string& uid);

  // Whether they are let in (node_admission.cpp).
  static bool takes_room(const entry& e);
  admission_fault admit(const object& wanted) const;
  admission_fault misplaced(const object& wanted) const;
  void judge(const std::string& uid);
  void judge_place(const std::string& uid);
  void judge_claims(const std::string& uid);
  bool in_use(const object& claim, const std::string& but) const;
  void await_claim(entry& e, const std::string& volume);
  void reject(entry& e, const admission_fault& fault);

  // Their end (node_removal.cpp).
  void forget(const std::string& uid);
  void drop_memory(const std::string& uid);
  void remove_orphans();
  void remove_orphan(const std::string& uid);
  void remove_orphan_volumes(const std::string& uid);
  caf::result<ack> await_removed();
  void look_for_waiters();
  void answer_waiters();
  void dismiss_waiters();

  // The node object (node_registration.cpp).
  void follow_own_node();
  void see_own_node(const object& node);
  void register_node();
  void keep_alive();
  void update_status();
  void renew_lease();
  node_status make_status() const;

  node_context ctx_;
  node_context_ptr shared_;
  image_puller_actor puller_;
  object_follower_actor follower_;
  image_collector_actor collector_;
  registry_reflector<node_agent> node_watch_;
  // Survives a restart in place.
  std::map<std::string, entry> pods_;
  std::map<std::string, pod_memory> memories_; ///< loaded, and not yet claimed by a pod
  std::set<std::string> orphans_;              ///< pods that only the runtime knows
  std::vector<waiter> waiters_;
  uint64_t last_waiter_ = 0;
  std::vector<container_image> images_;
  std::map<std::string, std::string> labels_; ///< the node object's, as far as they are known
  node_status last_status_;
  clock_time last_report_{};
  bool up_ = false;
  // Volatile.
  clock_time relist_at_{};
  bool sweep_ = false;
  size_t forgetting_ = 0; ///< rows on their way out of the store
  deadline_set::id status_timer_ = 0, lease_timer_ = 0;
};

} // namespace podium
