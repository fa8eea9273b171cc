#include "actors/owner_picture.hpp"

#include <algorithm>

namespace podium {
namespace {

using garbage_rules::owner_state;

constexpr size_t max_gone = 10'000;

} // namespace

owner_picture::change owner_picture::put(const object_ref& ref) {
  if (gone_.count(ref->uid()) > 0) return {};
  auto& slot = objects_[ref->uid()];
  if (slot && slot->resource_version() >= ref->resource_version()) return {};
  change out{true, std::exchange(slot, ref), owners_of(*ref)};
  auto before = out.before ? owners_of(*out.before) : std::set<std::string>{};
  for (auto& owner : before)
    if (out.owners.count(owner) == 0) {
      auto i = referring_.find(owner);
      i->second.erase(ref->uid());
      if (i->second.empty()) referring_.erase(i);
    }
  for (auto& owner : out.owners)
    referring_[owner].insert(ref->uid());
  out.owners.merge(before);
  return out;
}

owner_picture::change owner_picture::remove(const std::string& uid) {
  note_gone(uid);
  auto i = objects_.find(uid);
  if (i == objects_.end()) return {};
  change out{true, i->second, owners_of(*i->second)};
  objects_.erase(i);
  for (auto& owner : out.owners) {
    auto referring = referring_.find(owner);
    referring->second.erase(uid);
    if (referring->second.empty()) referring_.erase(referring);
  }
  return out;
}

object_ref owner_picture::find(const std::string& uid) const {
  auto i = objects_.find(uid);
  return i == objects_.end() ? object_ref{} : i->second;
}

std::vector<std::string> owner_picture::uids() const {
  std::vector<std::string> out;
  for (auto& [uid, ref] : objects_)
    out.push_back(uid);
  return out;
}

std::vector<std::string> owner_picture::not_in(const std::string& resource, const object_list& all) const {
  std::set<std::string_view> listed;
  for (auto& ref : all.items)
    listed.insert(ref->uid());
  std::vector<std::string> out;
  for (auto& [uid, ref] : objects_)
    // What is newer than the list cannot be missing from it.
    if (ref->key().resource == resource && listed.count(uid) == 0
        && ref->resource_version() <= all.resource_version)
      out.push_back(uid);
  return out;
}

std::vector<std::string> owner_picture::referring_to(const std::string& uid) const {
  auto i = referring_.find(uid);
  if (i == referring_.end()) return {};
  return {i->second.begin(), i->second.end()};
}

std::vector<std::string> owner_picture::dependents_of(const object& owner) const {
  std::vector<std::string> out;
  for (auto& uid : referring_to(owner.uid())) {
    auto dependent = find(uid);
    auto& refs = dependent->meta().owner_references;
    if (std::any_of(refs.begin(), refs.end(), [&](auto& ref) { return means(*dependent, ref, owner); }))
      out.push_back(uid);
  }
  return out;
}

std::set<std::string> owner_picture::owners_of(const object& of) {
  std::set<std::string> out;
  for (auto& ref : of.meta().owner_references)
    out.insert(ref.uid);
  return out;
}

garbage_rules::facts owner_picture::facts_of(const object& of) const {
  auto out = garbage_rules::facts_of(of);
  auto& refs = of.meta().owner_references;
  for (size_t i = 0; i < refs.size(); ++i)
    out.owners[i].state = state_of(of, refs[i]);
  for (auto& uid : dependents_of(of)) {
    auto dependent = find(uid);
    ++out.dependents;
    out.circle = out.circle || garbage_rules::is_waiting(*dependent);
    for (auto& ref : dependent->meta().owner_references)
      if (ref.block_owner_deletion.value_or(false) && means(*dependent, ref, of)) {
        ++out.blocking;
        break;
      }
  }
  return out;
}

std::vector<list_objects> owner_picture::unseen_owners_of(const object& of) const {
  std::vector<list_objects> out;
  for (auto& ref : of.meta().owner_references)
    if (state_of(of, ref) == owner_state::unseen) {
      auto* resource = resource_of(ref);
      out.push_back({resource->name, resource->namespaced ? of.key().ns : ""});
    }
  return out;
}

void owner_picture::settle_owners_of(const object& of) {
  for (auto& ref : of.meta().owner_references)
    if (state_of(of, ref) == owner_state::unseen) note_gone(ref.uid);
}

std::vector<list_objects> owner_picture::where_dependents_are(const object& owner) const {
  std::vector<list_objects> out;
  for (auto& r : *resources_)
    if (r.namespaced || owner.key().ns.empty()) out.push_back({r.name, owner.key().ns});
  return out;
}

const collected_resource* owner_picture::resource_of(const owner_reference& ref) const {
  auto i = std::find_if(resources_->begin(), resources_->end(),
                        [&](auto& r) { return r.api_version == ref.api_version && r.kind == ref.kind; });
  return i == resources_->end() ? nullptr : &*i;
}

owner_state owner_picture::state_of(const object& dependent, const owner_reference& ref) const {
  auto* resource = resource_of(ref);
  if (!resource || (resource->namespaced && dependent.key().ns.empty())) return owner_state::unknown;
  auto owner = find(ref.uid);
  if (!owner) return gone_.count(ref.uid) > 0 ? owner_state::absent : owner_state::unseen;
  if (!means(dependent, ref, *owner)) return owner_state::absent;
  return garbage_rules::is_waiting(*owner) ? owner_state::waiting : owner_state::present;
}

bool owner_picture::means(const object& dependent, const owner_reference& ref, const object& owner) const {
  auto* resource = resource_of(ref);
  return resource && ref.uid == owner.uid() && owner.key().resource == resource->name
         && owner.key().name == ref.name && (owner.key().ns.empty() || owner.key().ns == dependent.key().ns);
}

void owner_picture::note_gone(const std::string& uid) {
  if (!gone_.insert(uid).second) return;
  gone_order_.push_back(uid);
  if (gone_order_.size() <= max_gone) return;
  gone_.erase(gone_order_.front());
  gone_order_.pop_front();
}

} // namespace podium
