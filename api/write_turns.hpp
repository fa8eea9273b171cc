// Writes of one object wait for each other: each reads the version that the one before it has stored, so that
// clients who name no version never meet a conflict among themselves.
#pragma once
#include "messages/object.hpp"
#include "runtime/loop/event_loop.hpp"

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>

namespace podium::api {

/// Loop thread only.
class write_turns : public std::enable_shared_from_this<write_turns> {
public:
  /// The right to write; it ends when the last copy goes.
  using turn = std::shared_ptr<void>;

  write_turns(event_loop& loop, nanoseconds longest_wait) : loop_(loop), longest_wait_(longest_wait) {}

  /// Calls `f` with the turn of `key`: at once if nobody has it, else from the loop after those who came
  /// before. With none if that took too long: a store that hangs is not waited for by one after the other.
  void wait(const object_key& key, std::function<void(turn)> f);
  /// Forgets who waits.
  void clear() { waiting_.clear(); }

private:
  using clock = std::chrono::steady_clock;
  struct waiter {
    clock::time_point since;
    std::function<void(turn)> f;
  };

  turn make_turn(const object_key& key);
  void next(const object_key& key);

  event_loop& loop_;
  const nanoseconds longest_wait_;
  std::map<object_key, std::deque<waiter>> waiting_; ///< a key whose turn somebody has
};

} // namespace podium::api
