#include "actors/event_recorder.hpp"

#include "actors/event_recorder_rules.hpp"
#include "core/base_actor.hpp"

#include <deque>

namespace podium {
namespace {

using namespace std::chrono_literals;
using event_rules::event_entry;

constexpr size_t max_pending = 1'000, max_in_flight = 16;
constexpr auto write_timeout = 10s;
constexpr nanoseconds first_retry = 500ms, longest_retry = 30s;
constexpr int max_attempts = 12;
constexpr nanoseconds longest_sweep = 10min, shortest_sweep = 10s;
constexpr nanoseconds hurried_sweep = 1s; ///< when the last one could not delete all it should
constexpr size_t max_deleted_per_sweep = 500;

class event_recorder : public base_actor<event_recorder_actor> {
public:
  event_recorder(caf::actor_config& cfg, env_ptr actor_env, std::string own_path,
                 event_recorder_settings settings)
      : base_actor(cfg, std::move(actor_env), std::move(own_path)), settings_(std::move(settings)),
        correlator_(path()) {}

protected:
  /// What was counted and what waits survives an exception; what was under way is written again.
  void on_start() override {
    for (auto& [name, p] : pending_)
      p.in_flight = false;
    in_flight_ = 0;
    ready_.clear();
    for (auto& [name, p] : pending_)
      ready_.push_back(name);
    pump();
    sweep_ = 0;
    sweep_in(shortest_sweep);
  }
  void ended() override {
    pending_.clear();
    settings_.registry = nullptr;
  }
  behavior_type handlers() override {
    return {[this](const record_event& event) { record(event); }};
  }

private:
  /// An event's latest state that the registry has not acknowledged.
  struct pending_event {
    event_entry entry;
    bool in_flight = false, changed = false;
    int attempts = 0;
  };

  void record(const record_event& event) {
    auto* entry = correlator_.add(event, now(), wall_now());
    settings_.counts->held_back = correlator_.held_back();
    if (!entry) return;
    if (auto i = pending_.find(entry->name); i != pending_.end()) {
      i->second.entry = *entry;
      i->second.changed = true;
      return;
    }
    if (pending_.size() >= max_pending) {
      ++settings_.counts->dropped;
      return;
    }
    pending_[entry->name].entry = *entry;
    ready_.push_back(entry->name);
    pump();
  }

  void pump() {
    while (in_flight_ < max_in_flight && !ready_.empty()) {
      auto name = std::move(ready_.front());
      ready_.pop_front();
      if (auto i = pending_.find(name); i != pending_.end() && !i->second.in_flight) write(i->second, true);
    }
  }

  static object_key key_of(const event_entry& entry) {
    return {"events", event_rules::event_namespace(entry.what.involved), entry.name};
  }

  /// Creates or replaces the event; the other way is tried when it turns out to be there already, or gone.
  void write(pending_event& p, bool may_turn) {
    if (!p.in_flight) ++in_flight_;
    p.in_flight = true;
    p.changed = false;
    auto name = p.entry.name;
    auto document = make_document(event_rules::event_document(p.entry));
    auto create = (p.entry.count == 1) == may_turn;
    auto ok = [this, name, create](const object_ref&) {
      if (create) ++stored_;
      written(name);
    };
    auto fail = [this, name, create, may_turn](const caf::error& err) {
      auto turned = code_of(err) == (create ? errc::already_exists : errc::not_found);
      if (auto i = pending_.find(name); turned && may_turn && i != pending_.end())
        return write(i->second, false);
      failed(name, err);
    };
    if (create)
      ask(settings_.registry, write_timeout, ok, fail, create_object{key_of(p.entry), document, false, true});
    else
      ask(settings_.registry, write_timeout, ok, fail,
          update_object{key_of(p.entry), document, update_part::main, {}, 0, false, true});
  }

  void written(const std::string& name) {
    --in_flight_;
    ++settings_.counts->written;
    if (auto i = pending_.find(name); i != pending_.end()) {
      i->second.in_flight = false;
      i->second.attempts = 0;
      if (i->second.changed)
        ready_.push_back(name);
      else
        pending_.erase(i);
    }
    if (stored_ > settings_.max_count && sweep_at_ > now() + shortest_sweep) sweep_in(shortest_sweep);
    pump();
  }

  void failed(const std::string& name, const caf::error& err) {
    --in_flight_;
    auto i = pending_.find(name);
    if (i == pending_.end()) return pump();
    i->second.in_flight = false;
    auto code = code_of(err);
    // Its namespace is gone or going, or it will never be right: nothing to try again.
    auto hopeless = code == errc::not_found || code == errc::forbidden || code == errc::invalid
                    || code == errc::too_large || ++i->second.attempts >= max_attempts;
    if (hopeless) {
      ++settings_.counts->dropped;
      pending_.erase(i);
    } else {
      auto delay =
          std::min<nanoseconds>(first_retry * (1LL << std::min(i->second.attempts, 7)), longest_retry);
      after(delay, [this, name] {
        ready_.push_back(name);
        pump();
      });
    }
    pump();
  }

  // -- expiry

  void sweep_in(nanoseconds delay) {
    cancel(sweep_);
    sweep_at_ = now() + delay;
    sweep_ = after(delay, [this] { sweep(); });
  }

  void sweep() {
    ask(
        settings_.registry, write_timeout, [this](const object_list& all) { expire(all); },
        [this](const caf::error&) { sweep_in(shortest_sweep); }, list_objects{"events", ""});
  }

  /// When nothing was added to the event any more.
  wall_time last_of(const object& event) const {
    auto made = event.meta().creation_timestamp.value_or(wall_now());
    if (made + settings_.time_to_live > wall_now()) return made;
    // Old enough to look closer: it may have been counted up since.
    auto document = event.document();
    for (auto* field : {"lastTimestamp", "eventTime"})
      if (auto* value = document.as_object().if_contains(field); value && value->is_string())
        if (auto t = parse_rfc3339(std::string_view{value->get_string()})) return std::max(made, *t);
    return made;
  }

  void expire(const object_list& all) {
    auto wall = wall_now();
    nanoseconds next = longest_sweep;
    std::vector<object_ref> kept;
    size_t deleted = 0, due = 0;
    for (auto& ref : all.items) {
      auto left = last_of(*ref) + settings_.time_to_live - wall;
      if (left > nanoseconds{0}) {
        next = std::min<nanoseconds>(next, left);
        kept.push_back(ref);
      } else if (++due <= max_deleted_per_sweep) {
        remove(*ref);
        ++deleted;
      }
    }
    if (kept.size() > settings_.max_count) {
      // A resourceVersion tells when something was added last.
      auto excess = kept.size() - settings_.max_count;
      auto now_deleted = std::min(excess, max_deleted_per_sweep - deleted);
      auto end = kept.begin() + static_cast<std::ptrdiff_t>(now_deleted);
      std::partial_sort(kept.begin(), end, kept.end(),
                        [](auto& a, auto& b) { return a->resource_version() < b->resource_version(); });
      std::for_each(kept.begin(), end, [this](auto& ref) { remove(*ref); });
      deleted += now_deleted;
      due += excess;
    }
    stored_ = all.items.size() - deleted;
    sweep_in(due > deleted ? hurried_sweep : std::max<nanoseconds>(next, shortest_sweep));
  }

  void remove(const object& event) {
    delete_object request;
    request.key = event.key();
    request.expected_version = event.resource_version();
    ask(
        settings_.registry, write_timeout, [](const delete_result&) {}, [](const caf::error&) {},
        std::move(request));
  }

  event_recorder_settings settings_;
  event_rules::correlator correlator_;
  std::map<std::string, pending_event> pending_;
  std::deque<std::string> ready_;
  size_t in_flight_ = 0;
  size_t stored_ = 0; ///< events in the registry, as far as this recorder knows
  deadline_set::id sweep_ = 0;
  clock_time sweep_at_;
};

} // namespace

event_recorder_actor spawn_event_recorder(caf::actor_system& system, env_ptr env, std::string path,
                                          event_recorder_settings settings) {
  return system.spawn<event_recorder>(std::move(env), std::move(path), std::move(settings));
}

} // namespace podium
