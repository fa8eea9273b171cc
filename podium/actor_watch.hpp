// Watches the actors that everything stands on: none of them may end before the engine does.
#pragma once
#include "core/error.hpp"

#include <caf/all.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace podium {

/// An exception restarts an actor in place; one that is gone is not replaced here: what it was asked, and who
/// held its handle, cannot be mended from outside. The first such end is kept and told; a supervisor of the
/// process starts it anew. Safe from any thread.
class actor_watch {
public:
  /// `name` is what the error calls the actor. One that has ended already is told at once.
  template <class Handle>
  void watch(const Handle& actor, std::string name) {
    actor->attach_functor(
        [state = state_, name = std::move(name)](const caf::error& reason) { ended(*state, name, reason); });
  }
  /// Calls `f` for the first end, on the thread where it happens or at once when it has; several are called
  /// in their order. They must be short, must not throw, and must not call back here.
  void on_failure(std::function<void(const caf::error&)> f);
  /// The first end; none while all is well.
  caf::error failure() const;
  /// From now on ends are wanted. No `f` runs any more when it returns.
  void disarm();

private:
  struct shared {
    std::mutex mutex;
    bool armed = true;
    caf::error failure;
    std::vector<std::function<void(const caf::error&)>> listeners;
  };
  static void ended(shared& state, const std::string& name, const caf::error& reason);

  std::shared_ptr<shared> state_ = std::make_shared<shared>();
};

} // namespace podium
