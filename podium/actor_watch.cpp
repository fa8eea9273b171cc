#include "podium/actor_watch.hpp"

namespace podium {

void actor_watch::ended(shared& state, const std::string& name, const caf::error& reason) {
  std::lock_guard guard{state.mutex};
  if (!state.armed || state.failure) return;
  auto why = reason ? message_of(reason) : std::string{"it ended by itself"};
  state.failure = make_error(errc::internal, "the actor " + name + " has ended unexpectedly: " + why);
  for (auto& f : state.listeners)
    f(state.failure);
}

void actor_watch::on_failure(std::function<void(const caf::error&)> f) {
  std::lock_guard guard{state_->mutex};
  if (!state_->armed) return;
  if (state_->failure) f(state_->failure);
  state_->listeners.push_back(std::move(f));
}

caf::error actor_watch::failure() const {
  std::lock_guard guard{state_->mutex};
  return state_->failure;
}

void actor_watch::disarm() {
  std::lock_guard guard{state_->mutex};
  state_->armed = false;
  state_->listeners.clear();
}

} // namespace podium
