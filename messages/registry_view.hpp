// What readers see of the registry without asking its actor: the latest immutable snapshot of every resource,
// and the watch history as a ring that cursors read. One writer (the registry actor), any number of reading
// threads.
#pragma once
#include "messages/object.hpp"

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>

namespace podium {

/// All objects of one resource at one resourceVersion, sorted by (namespace, name). Immutable: a change
/// copies one chunk of the list, never the objects.
class resource_snapshot {
public:
  resource_snapshot() = default;

  uint64_t resource_version() const { return resource_version_; }
  size_t size() const { return size_; }
  object_ref find(std::string_view ns, std::string_view name) const;
  /// Calls `f` for each object in order, from the first at or after (ns, name); within one namespace when
  /// `only_ns` is not empty. `f` returns false to stop.
  void each(std::string_view only_ns, std::string_view from_ns, std::string_view from_name,
            const std::function<bool(const object_ref&)>& f) const;

  /// A snapshot with `ref` put in (replacing its key) at `version`.
  std::shared_ptr<const resource_snapshot> with(const object_ref& ref, uint64_t version) const;
  /// A snapshot without the key, at `version`.
  std::shared_ptr<const resource_snapshot> without(const object_key& key, uint64_t version) const;
  /// The same objects at a later version.
  std::shared_ptr<const resource_snapshot> at_version(uint64_t version) const;

private:
  using chunk = std::vector<object_ref>;
  std::pair<size_t, size_t> lower_bound(std::string_view ns, std::string_view name) const;

  std::vector<std::shared_ptr<const chunk>> chunks_;
  size_t size_ = 0;
  uint64_t resource_version_ = 0;
};

using snapshot_ptr = std::shared_ptr<const resource_snapshot>;

/// The registry as its readers see it. All members are safe from any thread.
class registry_view {
public:
  /// How much of each resource's past is kept for watches: at most `history` events whose objects' JSON text
  /// is `history_bytes` together. In memory an object takes about four times its text. The default holds some
  /// 350 versions of small pods; the newest event is always kept.
  explicit registry_view(size_t history = 10'000, size_t history_bytes = 1024 * 1024)
      : history_(history), history_bytes_(history_bytes) {}

  /// The latest snapshot; an empty one for a resource that has no objects yet. Its version is the whole
  /// registry's latest.
  snapshot_ptr snapshot(std::string_view resource) const;
  uint64_t resource_version() const { return version_.load(std::memory_order_acquire); }

  /// Up to `limit` events of `resource` after `since`, in order. Empty optional: `since` is older than the
  /// history (410).
  std::optional<std::vector<watch_event>> events_after(std::string_view resource, uint64_t since,
                                                       size_t limit) const;

  /// Calls `f` (from the writer's thread; it must be short and must not ask the view) after every
  /// publication.
  void on_publish(std::function<void(const std::string& resource)> f) {
    std::lock_guard guard{listeners_mutex_};
    listeners_.push_back(std::move(f));
  }

  // -- for the registry actor alone --
  void load(std::vector<object_ref> objects, uint64_t version);
  void publish(const watch_event& event);

private:
  struct resource_state {
    snapshot_ptr current;
    std::deque<watch_event> events;
    size_t event_bytes = 0;    ///< JSON text of the objects in the ring
    uint64_t lost_version = 0; ///< events up to here are not in the ring
  };
  const size_t history_, history_bytes_;
  mutable std::shared_mutex mutex_;
  std::map<std::string, resource_state, std::less<>> resources_;
  std::atomic<uint64_t> version_{0};
  uint64_t base_version_ = 0;
  std::mutex listeners_mutex_;
  std::vector<std::function<void(const std::string&)>> listeners_;
};

} // namespace podium
