// How callbacks are called whose owner may go, or set another one, while they run.
#pragma once
#include <functional>
#include <type_traits>
#include <utility>

namespace podium {

/// Calls `f`, if it is set, so that it may be replaced or its owner end meanwhile: the caller keeps the
/// owner.
template <class... Ts>
void call_guarded(std::function<void(Ts...)>& f, std::type_identity_t<Ts>... xs) {
  if (!f) return;
  auto running = std::move(f);
  f = nullptr;
  running(xs...);
  if (!f) f = std::move(running);
}

} // namespace podium
