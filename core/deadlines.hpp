// A sorted set of deadlines with cancellation: one per actor, so that one armed timeout serves them all.
#pragma once
#include "core/time.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <unordered_map>

namespace podium {

class deadline_set {
public:
  using id = uint64_t;

  /// Calls `f` once `when` has come. Deadlines of the same instant fire in the order they were added.
  id add(clock_time when, std::function<void()> f) {
    auto n = ++last_;
    by_time_.emplace(std::pair{when, n}, std::move(f));
    times_.emplace(n, when);
    return n;
  }
  /// Forgets a deadline; one that fired or never was is passed over. 0 is never an id.
  void cancel(id n) {
    auto i = times_.find(n);
    if (i == times_.end()) return;
    by_time_.erase({i->second, n});
    times_.erase(i);
  }
  void clear() {
    by_time_.clear();
    times_.clear();
  }
  std::optional<clock_time> next() const {
    return by_time_.empty() ? std::nullopt : std::optional{by_time_.begin()->first.first};
  }
  /// Takes the first deadline that is due, or nothing. The caller runs it: it may add or cancel others.
  std::function<void()> pop_due(clock_time now) {
    if (by_time_.empty() || by_time_.begin()->first.first > now) return {};
    auto first = by_time_.begin();
    auto f = std::move(first->second);
    times_.erase(first->first.second);
    by_time_.erase(first);
    return f;
  }
  size_t size() const { return by_time_.size(); }

private:
  id last_ = 0;
  std::map<std::pair<clock_time, id>, std::function<void()>> by_time_;
  std::unordered_map<id, clock_time> times_;
};

} // namespace podium
