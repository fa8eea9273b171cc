// Watches: every watcher is a position in the registry's history. None has a queue: it writes while its
// connection takes it, and goes on when the connection has drained or the registry has published.
#pragma once
#include "api/output.hpp"
#include "api/selection.hpp"
#include "messages/registry_view.hpp"
#include "runtime/loop/event_loop.hpp"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace podium::api {

class watcher;

/// What an event is to a watcher with a selector: things that enter it are added, things that leave it
/// deleted.
enum class seen_as : uint8_t { nothing, added, modified, deleted };

/// Pure: from the registry's event and what matched before and matches now.
seen_as seen_through(watch_type type, bool matched_before, bool matches_now);

/// The object of an event as a watcher sees it: what leaves a selector is shown as it last matched, at the
/// version of the change that took it out.
object_ref shown_object(const watch_event& event, seen_as as);

/// All watchers of an API server. Loop thread only, but for published().
class watch_hub : public std::enable_shared_from_this<watch_hub> {
public:
  watch_hub(event_loop& loop, registry_view& view, std::function<wall_time()> now);
  ~watch_hub();

  /// A resource has new events. From any thread; many calls make one wake-up.
  void published(const std::string& resource);

  void add(std::string_view resource, const std::shared_ptr<watcher>& w);
  void remove(std::string_view resource, const std::shared_ptr<watcher>& w);
  size_t size() const { return count_; }
  /// Ends all watches.
  void stop();

  using batch = std::shared_ptr<const std::vector<watch_event>>;
  /// Events after `since`; the watchers of a resource that stand at the same place share one batch. Null: too
  /// old.
  batch events_after(std::string_view resource, uint64_t since);

  /// The line of one event in one form, shared by all watchers that want it. `as` is not nothing.
  std::shared_ptr<const std::string> line(const resource& r, const watch_event& event, seen_as as,
                                          const output& form);

  registry_view& view() { return view_; }
  event_loop& loop() { return loop_; }
  wall_time now() const { return now_(); }

private:
  void wake();
  void forget_later();

  /// What a rendered line is of.
  struct line_key {
    const resource* res;
    uint64_t version;
    seen_as as;
    output form;
    auto operator<=>(const line_key&) const = default; // NOLINT(modernize-use-nullptr): as in output
  };
  struct cached_line {
    std::shared_ptr<const std::string> text;
    int64_t second; ///< tables show ages: such a line is good for a second
  };
  struct cached_batch {
    uint64_t since = 0, version = 0;
    batch events;
  };

  event_loop& loop_;
  registry_view& view_;
  const std::function<wall_time()> now_;
  std::mutex dirty_mutex_;
  std::set<std::string> dirty_;
  bool resting_ = false; ///< the loop's other work has its turn
  bool stopped_ = false; ///< guarded by dirty_mutex_: the loop may end before the registry
  std::map<std::string, std::set<std::shared_ptr<watcher>>, std::less<>> watchers_;
  std::map<std::string, cached_batch, std::less<>> batches_;
  std::map<line_key, cached_line> lines_;
  size_t line_bytes_ = 0;
  bool forgetting_ = false; ///< a time is set at which the lines and batches go
  size_t count_ = 0;
};

/// One event of a watch as it goes over the wire.
std::string watch_line(const resource& r, std::string_view type, const object& obj, const output& form,
                       wall_time now, bool with_columns);

} // namespace podium::api
