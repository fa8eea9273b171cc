#include "messages/registry_view.hpp"

#include <algorithm>

namespace podium {
namespace {

constexpr size_t chunk_limit = 128;

bool before(const object_ref& ref, std::string_view ns, std::string_view name) {
  auto& key = ref->key();
  if (auto c = std::string_view{key.ns}.compare(ns); c != 0) return c < 0;
  return std::string_view{key.name} < name;
}

} // namespace

std::pair<size_t, size_t> resource_snapshot::lower_bound(std::string_view ns, std::string_view name) const {
  auto c = std::partition_point(chunks_.begin(), chunks_.end(),
                                [&](auto& x) { return before(x->back(), ns, name); });
  if (c == chunks_.end()) return {chunks_.size(), 0};
  auto e = std::partition_point((*c)->begin(), (*c)->end(), [&](auto& x) { return before(x, ns, name); });
  return {static_cast<size_t>(c - chunks_.begin()), static_cast<size_t>(e - (*c)->begin())};
}

object_ref resource_snapshot::find(std::string_view ns, std::string_view name) const {
  auto [c, e] = lower_bound(ns, name);
  if (c == chunks_.size()) return {};
  auto& found = (*chunks_[c])[e];
  return found->key().ns == ns && found->key().name == name ? found : object_ref{};
}

void resource_snapshot::each(std::string_view only_ns, std::string_view from_ns, std::string_view from_name,
                             const std::function<bool(const object_ref&)>& f) const {
  if (!only_ns.empty() && from_ns < only_ns) {
    from_ns = only_ns;
    from_name = {};
  }
  auto [c, e] = lower_bound(from_ns, from_name);
  for (; c < chunks_.size(); ++c, e = 0)
    for (; e < chunks_[c]->size(); ++e) {
      auto& ref = (*chunks_[c])[e];
      if (!only_ns.empty() && ref->key().ns != only_ns) return;
      if (!f(ref)) return;
    }
}

snapshot_ptr resource_snapshot::with(const object_ref& ref, uint64_t version) const {
  auto out = std::make_shared<resource_snapshot>(*this);
  out->resource_version_ = version;
  auto [c, e] = lower_bound(ref->key().ns, ref->key().name);
  if (c == chunks_.size()) {
    if (c == 0) {
      out->chunks_.push_back(std::make_shared<chunk>(chunk{ref}));
      out->size_ = 1;
      return out;
    }
    e = chunks_[--c]->size();
  }
  auto copy = std::make_shared<chunk>(*chunks_[c]);
  if (e < copy->size() && (*copy)[e]->key() == ref->key()) {
    (*copy)[e] = ref;
  } else {
    copy->insert(copy->begin() + static_cast<ptrdiff_t>(e), ref);
    ++out->size_;
  }
  if (copy->size() > chunk_limit) {
    auto middle = copy->begin() + chunk_limit / 2;
    out->chunks_.insert(out->chunks_.begin() + static_cast<ptrdiff_t>(c) + 1,
                        std::make_shared<chunk>(middle, copy->end()));
    copy->erase(middle, copy->end());
  }
  out->chunks_[c] = std::move(copy);
  return out;
}

snapshot_ptr resource_snapshot::without(const object_key& key, uint64_t version) const {
  auto out = std::make_shared<resource_snapshot>(*this);
  out->resource_version_ = version;
  auto [c, e] = lower_bound(key.ns, key.name);
  if (c == chunks_.size() || (*chunks_[c])[e]->key() != key) return out;
  auto copy = std::make_shared<chunk>(*chunks_[c]);
  copy->erase(copy->begin() + static_cast<ptrdiff_t>(e));
  --out->size_;
  if (copy->empty())
    out->chunks_.erase(out->chunks_.begin() + static_cast<ptrdiff_t>(c));
  else
    out->chunks_[c] = std::move(copy);
  return out;
}

snapshot_ptr resource_snapshot::at_version(uint64_t version) const {
  auto out = std::make_shared<resource_snapshot>(*this);
  out->resource_version_ = version;
  return out;
}

snapshot_ptr registry_view::snapshot(std::string_view resource) const {
  std::shared_lock guard{mutex_};
  auto version = version_.load(std::memory_order_acquire);
  auto i = resources_.find(resource);
  static const resource_snapshot none;
  auto& current = i == resources_.end() || !i->second.current ? none : *i->second.current;
  if (&current != &none && current.resource_version() == version) return i->second.current;
  return current.at_version(version);
}

std::optional<std::vector<watch_event>> registry_view::events_after(std::string_view resource, uint64_t since,
                                                                    size_t limit) const {
  std::shared_lock guard{mutex_};
  auto i = resources_.find(resource);
  if (since < (i == resources_.end() ? base_version_ : std::max(base_version_, i->second.lost_version)))
    return {};
  std::vector<watch_event> out;
  if (i == resources_.end()) return out;
  auto& events = i->second.events;
  auto first = std::partition_point(events.begin(), events.end(),
                                    [&](auto& e) { return e.resource_version <= since; });
  for (; first != events.end() && out.size() < limit; ++first)
    out.push_back(*first);
  return out;
}

void registry_view::load(std::vector<object_ref> objects, uint64_t version) {
  std::unique_lock guard{mutex_};
  std::sort(objects.begin(), objects.end(), [](auto& a, auto& b) { return a->key() < b->key(); });
  for (auto& ref : objects) {
    auto& state = resources_[ref->key().resource];
    auto& current = state.current;
    current = current ? current->with(ref, version) : resource_snapshot{}.with(ref, version);
  }
  base_version_ = version;
  version_.store(version, std::memory_order_release);
}

void registry_view::publish(const watch_event& event) {
  auto& resource = event.object->key().resource;
  {
    std::unique_lock guard{mutex_};
    auto& state = resources_[resource];
    auto base = state.current ? state.current : std::make_shared<const resource_snapshot>();
    state.current = event.type == watch_type::deleted
                        ? base->without(event.object->key(), event.resource_version)
                        : base->with(event.object, event.resource_version);
    state.events.push_back(event);
    state.event_bytes += event.object->json().size();
    while (state.events.size() > 1
           && (state.events.size() > history_ || state.event_bytes > history_bytes_)) {
      auto& oldest = state.events.front();
      state.event_bytes -= oldest.object->json().size();
      state.lost_version = oldest.resource_version;
      state.events.pop_front();
    }
    version_.store(event.resource_version, std::memory_order_release);
  }
  std::lock_guard guard{listeners_mutex_};
  for (auto& f : listeners_)
    f(resource);
}

} // namespace podium
