// Follows the objects that a node's pods refer to (ConfigMaps, Secrets, claims, ...) and tells each pod of
// its own: now, and after every change. A resource is watched as a whole while a pod refers to any of it;
// only what pods refer to is kept.
#pragma once
#include "actors/node_context.hpp"
#include "actors/registry_reflector.hpp"

#include <set>

namespace podium {

class object_follower final : public base_actor<object_follower_actor> {
public:
  object_follower(caf::actor_config& cfg, node_context_ptr ctx, std::string path);

protected:
  behavior_type handlers() override;
  void on_start() override;
  void ended() override;

private:
  struct resource {
    std::unique_ptr<registry_reflector<object_follower>> reflector;
    std::map<object_key, object_ref>
        objects; ///< those that are followed and were looked for; null: not there
    bool listing = false;
  };
  struct follower {
    pod_actor pod;
    std::vector<object_key> keys;
  };

  void follow(const follow_objects& wish);
  void forget(const std::string& pod_uid);
  void start(const std::string& name);
  bool is_followed(const std::string& name) const;
  /// Ends the watch of a resource that nobody refers to.
  void let_go(const std::string& name);
  void take_list(const std::string& name, const object_list& list);
  void take_event(const std::string& name, const watch_event& event);
  void tell_followers_of(const object_key& key);
  void tell(const std::string& pod_uid);

  const node_context_ptr ctx_;
  // Survives a restart in place.
  std::map<std::string, resource> resources_;
  std::map<std::string, follower> followers_;               ///< by pod uid
  std::map<object_key, std::set<std::string>> followed_by_; ///< pod uids
};

} // namespace podium
