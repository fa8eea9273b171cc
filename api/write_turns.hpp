// Writes of one object wait for each other: each reads the version that the one before it has stored, so that
// clients who name no version never meet a conflict among themselves.
#pragma once
#include "messages/object.hpp"
#include "runtime/loop/event_loop.hpp"

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

  explicit write_turns(event_loop& loop) : loop_(loop) {}

  /// Calls `f` with the turn of `key`: at once if nobody has it, else from the loop after those who came
  /// before.
  void wait(const object_key& key, std::function<void(turn)> f);
  /// Forgets who waits.
  void clear() { waiting_.clear(); }

private:
  turn make_turn(const object_key& key);
  void next(const object_key& key);

  event_loop& loop_;
  std::map<object_key, std::deque<std::function<void(turn)>>> waiting_; ///< a key whose turn somebody has
};

} // namespace podium::api
