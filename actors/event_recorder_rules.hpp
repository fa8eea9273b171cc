// What becomes of one event among many like it: counted, combined, or held back. Pure but for its own memory.
#pragma once
#include "messages/object.hpp"

#include <list>
#include <unordered_map>

namespace podium::event_rules {

// Source: client-go's tools/record correlator, its defaults.
constexpr size_t max_remembered = 4096; ///< events, groups and sources each
constexpr size_t max_similar = 10;      ///< differing only in their message, within the window
constexpr std::chrono::minutes similar_window{10};
constexpr int64_t burst = 25;
constexpr std::chrono::minutes refill_period{5};
/// Why something was killed is told however much was said of its pod before: it counts by itself, and one a
/// second is always let through. Ours: the issue asks for the cause of every kill.
constexpr std::chrono::seconds kill_refill_period{1};

/// One event as it is to be stored: whole, so that writing it twice does no harm.
struct event_entry {
  record_event what; ///< its message is the combined one when combined
  std::string name;  ///< <object>.<16 hex digits>
  uint64_t count = 1;
  wall_time first, last;
};

/// The names of events: the nanosecond they began, made unique; `salt` keeps recorders of one moment apart.
class event_namer {
public:
  explicit event_namer(std::string_view salt) : salt_(fnv1a(salt) & low_bits) {}
  std::string name(std::string_view object, wall_time now);

private:
  static constexpr uint64_t low_bits = 0xfff;
  uint64_t salt_, last_ = 0;
};

class correlator {
public:
  explicit correlator(std::string_view salt) : namer_(salt) {}
  /// The event's entry after this occurrence; null: held back, its source is over its rate.
  /// The pointer is good until the next call.
  const event_entry* add(const record_event& event, clock_time now, wall_time wall);
  /// How many were held back.
  uint64_t held_back() const { return held_back_; }

private:
  struct similar_group {
    clock_time last;
    std::unordered_map<std::string, bool> messages;
  };
  struct bucket {
    int64_t tokens = burst;
    clock_time filled;
  };
  /// A bounded map that forgets what was used longest ago.
  template <class T>
  class recent {
  public:
    T* find(const std::string& key) {
      auto i = index_.find(key);
      if (i == index_.end()) return nullptr;
      order_.splice(order_.begin(), order_, i->second);
      return &i->second->second;
    }
    T& put(const std::string& key, T value) {
      order_.emplace_front(key, std::move(value));
      index_[key] = order_.begin();
      if (order_.size() > max_remembered) {
        index_.erase(order_.back().first);
        order_.pop_back();
      }
      return order_.front().second;
    }

  private:
    std::list<std::pair<std::string, T>> order_;
    std::unordered_map<std::string, typename std::list<std::pair<std::string, T>>::iterator> index_;
  };

  bool combine(const std::string& group, const std::string& message, clock_time now);
  bool take_token(const std::string& source, clock_time now, nanoseconds refill);

  event_namer namer_;
  recent<event_entry> events_;
  recent<similar_group> groups_;
  recent<bucket> buckets_;
  uint64_t held_back_ = 0;
};

/// The namespace an event about `involved` lives in: cluster-wide objects' are in default.
std::string event_namespace(const object_key& involved);
/// core/v1 Event as a document.
boost::json::value event_document(const event_entry& entry);

} // namespace podium::event_rules
