#include "actors/object_follower.hpp"

namespace podium {

object_follower::object_follower(caf::actor_config& cfg, node_context_ptr ctx, std::string path)
    : base_actor(cfg, ctx->env, std::move(path)), ctx_(std::move(ctx)) {}

void object_follower::on_start() {
  for (auto& [name, r] : resources_)
    if (is_followed(name)) start(name);
}

void object_follower::ended() {
  for (auto& [name, r] : resources_)
    if (r.reflector) r.reflector->stop();
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
  auto before = followers_.find(wish.pod_uid);
  auto old_keys = before == followers_.end() ? std::vector<object_key>{} : before->second.keys;
  forget(wish.pod_uid);
  if (!wish.keys.empty())
    followers_[wish.pod_uid] = {caf::actor_cast<pod_actor>(this->current_sender()), wish.keys};
  for (auto& key : wish.keys)
    followed_by_[key].insert(wish.pod_uid);
  for (auto& key : old_keys)
    if (!followed_by_.contains(key)) {
      resources_[key.resource].objects.erase(key);
      let_go(key.resource);
    }
  for (auto& key : wish.keys) {
    auto& r = resources_[key.resource];
    if (!r.reflector)
      r.reflector = std::make_unique<registry_reflector<object_follower>>(*this, key.resource);
    // A list on its way has the newcomer too.
    if (!r.objects.contains(key) && !r.listing) start(key.resource);
  }
  if (!wish.keys.empty()) tell(wish.pod_uid);
}

bool object_follower::is_followed(const std::string& name) const {
  auto first = followed_by_.lower_bound({name, "", ""});
  return first != followed_by_.end() && first->first.resource == name;
}

void object_follower::let_go(const std::string& name) {
  if (is_followed(name)) return;
  // The reflector stays: answers to it may be on their way.
  auto& r = resources_[name];
  if (r.reflector) r.reflector->stop();
  r.objects.clear();
  r.listing = false;
}

void object_follower::start(const std::string& name) {
  auto& r = resources_[name];
  r.listing = true;
  r.reflector->start(
      ctx_->registry, [this, name](const object_list& list) { take_list(name, list); },
      [this, name](const watch_event& event) { take_event(name, event); });
}

void object_follower::take_list(const std::string& name, const object_list& list) {
  auto& r = resources_[name];
  r.listing = false;
  std::map<object_key, object_ref> now;
  for (auto i = followed_by_.lower_bound({name, "", ""});
       i != followed_by_.end() && i->first.resource == name; ++i)
    now[i->first];
  for (auto& ref : list.items)
    if (auto i = now.find(ref->key()); i != now.end()) i->second = ref;
  auto before = std::exchange(r.objects, std::move(now));
  auto version = [](const object_ref& ref) { return ref ? ref->resource_version() : 0; };
  std::set<std::string> told;
  for (auto& [key, ref] : r.objects) {
    auto old = before.find(key);
    if (old != before.end() && version(old->second) == version(ref)) continue;
    auto& pods = followed_by_[key];
    told.insert(pods.begin(), pods.end());
  }
  for (auto& uid : told)
    tell(uid);
}

void object_follower::take_event(const std::string& name, const watch_event& event) {
  auto& key = event.object->key();
  if (!followed_by_.contains(key)) return;
  resources_[name].objects[key] = event.type == watch_type::deleted ? object_ref{} : event.object;
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
    auto& objects = resources_[key.resource].objects;
    auto i = objects.find(key);
    inputs->complete = inputs->complete && i != objects.end();
    if (i != objects.end() && i->second) inputs->objects.emplace(key, i->second);
  }
  if (inputs->complete && f.pod) this->send(f.pod, memory_ref<pod_inputs>{std::move(inputs)});
}

} // namespace podium
