// Who may fetch now: so many pulls of a registry at a time, so that one which hangs holds up its own alone.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>

namespace podium {

/// Touched by one thread only. "" is this machine's own layouts: they have places of their own.
class pull_places {
public:
  /// `each` (at least 1) of one registry at a time; of all registries together ten times as many.
  explicit pull_places(unsigned each) : each_(each == 0 ? 1 : each) {}

  /// Calls `go`, now or once there is room; who waits longest for a registry goes first. Returns the place's
  /// number, never 0.
  uint64_t take(std::string registry, std::function<void()> go);
  /// Gives a place back, or waits for it no longer; an unknown number is fine. May call others' `go`.
  void leave(uint64_t place);
  /// Whether the place is waited for still.
  bool waits(uint64_t place) const;

private:
  struct waiter {
    uint64_t place;
    std::string registry;
    std::function<void()> go;
  };
  bool room_at(const std::string& registry) const;
  void enter(const waiter& next);

  unsigned each_, remote_ = 0; ///< remote_: places taken of registries
  uint64_t last_ = 0;
  std::map<uint64_t, std::string> taken_;
  std::map<std::string, unsigned> count_;
  std::deque<waiter> waiting_;
};

} // namespace podium
