// What the scheduler knows of claims and volumes: whether they let a pod be placed, and where.
#pragma once
#include "actors/registry_reflector.hpp"
#include "actors/volume_rules.hpp"

#include <functional>

namespace podium {

/// Lives in an actor, which tells it to start() whenever it (re)starts.
template <class Self>
class claim_watch {
public:
  explicit claim_watch(Self& self)
      : claims_(self, "persistentvolumeclaims"), volumes_(self, "persistentvolumes"),
        classes_(self, "storageclasses.storage.k8s.io") {}

  /// `on_change` is called when what was said of pods may be another now.
  void start(const registry_actor& registry, std::function<void()> on_change) {
    seen_ = {};
    claims_known_ = volumes_known_ = classes_known_ = false;
    on_change_ = std::move(on_change);
    follow(claims_, registry, seen_.claims, claims_known_, [](const object_key& key) { return key; });
    follow(volumes_, registry, seen_.volumes, volumes_known_, [](const object_key& key) { return key.name; });
    follow(classes_, registry, seen_.classes, classes_known_, [](const object_key& key) { return key.name; });
  }
  void stop() {
    claims_.stop();
    volumes_.stop();
    classes_.stop();
    on_change_ = nullptr;
  }

  volume_rules::claim_verdict judge(const object& pod) const {
    auto verdict = volume_rules::judge_pod(pod, seen_);
    // What has not been read yet is not missing.
    if (!claims_known_ || !volumes_known_ || !classes_known_) verdict.failure.clear();
    return verdict;
  }

private:
  template <class Map, class KeyOf>
  void follow(registry_reflector<Self>& from, const registry_actor& registry, Map& into, bool& known,
              KeyOf key_of) {
    from.start(
        registry,
        [this, &into, &known, key_of](const object_list& all) {
          into.clear();
          for (auto& ref : all.items)
            into[key_of(ref->key())] = ref;
          known = true;
          on_change_();
        },
        [this, &into, key_of](const watch_event& event) {
          if (event.type == watch_type::deleted)
            into.erase(key_of(event.object->key()));
          else
            into[key_of(event.object->key())] = event.object;
          on_change_();
        });
  }

  registry_reflector<Self> claims_, volumes_, classes_;
  volume_rules::picture seen_;
  std::function<void()> on_change_;
  bool claims_known_ = false, volumes_known_ = false, classes_known_ = false;
};

} // namespace podium
