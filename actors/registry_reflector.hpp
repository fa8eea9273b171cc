// List, then watch: how an actor keeps its picture of one resource. Lost, doubled and late messages do no
// harm.
#pragma once
#include "core/base_actor.hpp"
#include "messages/interfaces.hpp"

#include <functional>

namespace podium {

/// Lives in an actor, which tells it to start() whenever it (re)starts. `Self` is a base_actor.
template <class Self>
class registry_reflector {
public:
  /// The whole resource; what the actor knows and this has not is gone.
  using list_handler = std::function<void(const object_list&)>;
  using event_handler = std::function<void(const watch_event&)>;

  registry_reflector(Self& self, std::string resource) : self_(self), resource_(std::move(resource)) {}

  /// Starts over: any earlier round of this reflector ends. The handlers are called on the actor's thread.
  void start(registry_actor registry, list_handler on_list, event_handler on_event) {
    registry_ = std::move(registry);
    on_list_ = std::move(on_list);
    on_event_ = std::move(on_event);
    list(++round_);
  }
  /// Drops all that refers to others.
  void stop() {
    ++round_;
    registry_ = nullptr;
    on_list_ = nullptr;
    on_event_ = nullptr;
  }

private:
  static constexpr std::chrono::seconds list_timeout{10}, watch_timeout{45}, retry_delay{1},
      resync_period{60};

  void list(uint64_t round) {
    if (round != round_) return;
    self_.ask(
        registry_, list_timeout,
        [this, round](const object_list& all) {
          if (round != round_) return;
          since_ = all.resource_version;
          resync_at_ = self_.now() + resync_period;
          on_list_(all);
          watch(round);
        },
        [this, round](const caf::error&) { self_.after(retry_delay, [this, round] { list(round); }); },
        list_objects{resource_, ""});
  }

  void watch(uint64_t round) {
    if (round != round_) return;
    // The slow safety net: whatever went unnoticed is put right by a full look now and then.
    if (self_.now() >= resync_at_) return list(round);
    self_.ask(
        registry_, watch_timeout,
        [this, round](const watch_batch& batch) {
          if (round != round_) return;
          for (auto& event : batch.events) {
            if (event.resource_version <= since_) continue;
            since_ = event.resource_version;
            on_event_(event);
          }
          since_ = std::max(since_, batch.resource_version);
          watch(round);
        },
        [this, round](const caf::error& err) {
          if (round != round_) return;
          if (code_of(err) == errc::expired) return list(round);
          if (code_of(err) == errc::timeout) return watch(round);
          self_.after(retry_delay, [this, round] { watch(round); });
        },
        watch_next{resource_, since_});
  }

  Self& self_;
  const std::string resource_;
  registry_actor registry_;
  list_handler on_list_;
  event_handler on_event_;
  uint64_t round_ = 0, since_ = 0;
  clock_time resync_at_;
};

} // namespace podium
