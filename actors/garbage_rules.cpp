#include "actors/garbage_rules.hpp"

#include <algorithm>

namespace podium::garbage_rules {
namespace {

namespace json = boost::json;

bool has_finalizer(const object& of, std::string_view name) {
  auto& list = of.meta().finalizers;
  return std::find(list.begin(), list.end(), name) != list.end();
}

decision decide_deleting(const facts& f) {
  // Orphans first: what is no dependent any more need not be waited for.
  if (f.orphans) {
    if (f.dependents > 0) return {step::orphan_dependents};
    return f.looked ? decision{step::release, orphan_finalizer} : decision{step::look_up_dependents};
  }
  if (!f.waits || f.blocking > 0) return {};
  return f.looked ? decision{step::release, foreground_finalizer} : decision{step::look_up_dependents};
}

/// The list at metadata.`name`; null when there is none.
json::array* list_of(json::value& document, std::string_view name) {
  auto* root = document.if_object();
  auto* meta = root ? root->if_contains("metadata") : nullptr;
  auto* list = meta && meta->is_object() ? meta->get_object().if_contains(name) : nullptr;
  return list ? list->if_array() : nullptr;
}

template <class Unwanted>
json::value without(const object& of, std::string_view name, Unwanted unwanted) {
  auto out = of.document();
  auto* list = list_of(out, name);
  if (!list) return out;
  list->erase(std::remove_if(list->begin(), list->end(), unwanted), list->end());
  if (list->empty()) out.get_object()["metadata"].get_object().erase(name);
  return out;
}

} // namespace

decision decide(const facts& f) {
  if (f.deleting) return decide_deleting(f);
  auto any = [&](owner_state state) {
    return std::any_of(f.owners.begin(), f.owners.end(), [&](auto& o) { return o.state == state; });
  };
  if (f.owners.empty() || any(owner_state::unknown)) return {};
  if (any(owner_state::unseen)) return {step::look_up_owners};
  if (any(owner_state::present)) {
    decision out{step::drop_owners};
    for (auto& o : f.owners) {
      auto same = [&](auto& other) { return other.state == owner_state::present && other.uid == o.uid; };
      if (std::none_of(f.owners.begin(), f.owners.end(), same)) out.uids.push_back(o.uid);
    }
    return out.uids.empty() ? decision{} : out;
  }
  if (any(owner_state::waiting) && f.dependents > 0) {
    // Its owner waits for it, it would wait for its dependents: they may wait for its owner.
    auto blocks = [](auto& o) { return o.state == owner_state::waiting && o.blocks; };
    if (f.circle && std::any_of(f.owners.begin(), f.owners.end(), blocks)) return {step::unblock};
    return {step::remove, "Foreground"};
  }
  return {step::remove, f.orphans ? "Orphan" : f.waits ? "Foreground" : "Background"};
}

bool is_waiting(const object& of) {
  return of.meta().deletion_timestamp && has_finalizer(of, foreground_finalizer);
}

facts facts_of(const object& of) {
  facts out;
  out.deleting = of.meta().deletion_timestamp.has_value();
  out.waits = has_finalizer(of, foreground_finalizer);
  out.orphans = has_finalizer(of, orphan_finalizer);
  for (auto& ref : of.meta().owner_references)
    out.owners.push_back({ref.uid, owner_state::unseen, ref.block_owner_deletion.value_or(false)});
  return out;
}

json::value without_finalizer(const object& of, std::string_view finalizer) {
  return without(of, "finalizers", [&](auto& name) { return name == json::value(finalizer); });
}

json::value without_owners(const object& of, std::span<const std::string> uids) {
  return without(of, "ownerReferences", [&](auto& ref) {
    auto* o = ref.if_object();
    auto* uid = o ? o->if_contains("uid") : nullptr;
    return uid && uid->is_string()
           && std::find(uids.begin(), uids.end(), std::string_view{uid->get_string()}) != uids.end();
  });
}

json::value unblocked(const object& of) {
  auto out = of.document();
  if (auto* list = list_of(out, "ownerReferences"))
    for (auto& ref : *list)
      if (auto* o = ref.if_object()) (*o)["blockOwnerDeletion"] = false;
  return out;
}

} // namespace podium::garbage_rules
