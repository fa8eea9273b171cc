#include "actors/object_follower.hpp"

namespace podium {

object_follower::object_follower(caf::actor_config& cfg, node_context_ptr ctx, std::string path)
    : base_actor(cfg, ctx->env, std::move(path)), ctx_(std::move(ctx)) {}

void object_follower::on_start() {
  for (auto& [name, r] : resources_)
    start(name);
}

void object_follower::ended() {
  for (auto& [name, r] : resources_)
    r.reflector->stop();
  resources_.clear();
  followers_.clear();
  followed_by_.clear();
}

object_follower::behavior_type object_follower::handlers() {
  return {[this](const follow_objects& wish) { follow(wish); }};
}

void object_follower::forget(const std::string& pod_uid) {
  auto i = followers_.find(pod_uid);
  if (i == followers_.end()) return;
  for (auto& key : i->second.keys)
    if (auto f = followed_by_.find(key); f != followed_by_.end()) {
      f->second.erase(pod_uid);
      if (f->second.empty()) followed_by_.erase(f);
    }
  followers_.erase(i);
}

void object_follower::follow(const follow_objects& wish) {
  forget(wish.pod_uid);
  if (wish.keys.empty()) return;
  followers_[wish.pod_uid] = {caf::actor_cast<pod_actor>(this->current_sender()), wish.keys};
  for (auto& key : wish.keys) {
    followed_by_[key].insert(wish.pod_uid);
    auto& r = resources_[key.resource];
    if (r.reflector) continue;
    r.reflector = std::make_unique<registry_reflector<object_follower>>(*this, key.resource);
    start(key.resource);
  }
  tell(wish.pod_uid);
}

void object_follower::start(const std::string& name) {
  resources_[name].reflector->start(
      ctx_->registry, [this, name](const object_list& list) { take_list(name, list); },
      [this, name](const watch_event& event) { take_event(name, event); });
}

void object_follower::take_list(const std::string& name, const object_list& list) {
  auto& r = resources_[name];
  std::map<object_key, object_ref> now;
  for (auto& ref : list.items)
    now.emplace(ref->key(), ref);
  auto before = std::exchange(r.objects, std::move(now));
  bool first = !std::exchange(r.listed, true);
  std::set<std::string> told;
  for (auto& [key, pods] : followed_by_) {
    if (key.resource != name) continue;
    auto version = [&key = key](const std::map<object_key, object_ref>& in) {
      auto i = in.find(key);
      return i == in.end() ? 0 : i->second->resource_version();
    };
    if (first || version(before) != version(r.objects)) told.insert(pods.begin(), pods.end());
  }
  for (auto& uid : told)
    tell(uid);
}

void object_follower::take_event(const std::string& name, const watch_event& event) {
  auto& objects = resources_[name].objects;
  auto& key = event.object->key();
  if (event.type == watch_type::deleted)
    objects.erase(key);
  else
    objects[key] = event.object;
  tell_followers_of(key);
}

void object_follower::tell_followers_of(const object_key& key) {
  auto i = followed_by_.find(key);
  if (i == followed_by_.end()) return;
  for (auto& uid : i->second)
    tell(uid);
}

void object_follower::tell(const std::string& pod_uid) {
  auto& f = followers_[pod_uid];
  auto inputs = std::make_shared<pod_inputs>();
  inputs->complete = true;
  for (auto& key : f.keys) {
    auto& r = resources_[key.resource];
    inputs->complete = inputs->complete && r.listed;
    if (auto i = r.objects.find(key); i != r.objects.end()) inputs->objects.emplace(key, i->second);
  }
  if (inputs->complete && f.pod) this->send(f.pod, memory_ref<pod_inputs>{std::move(inputs)});
}

} // namespace podium
