// Test support: an event loop, and waiting for what it answers.
#pragma once
#include "runtime/loop/event_loop.hpp"
#include <chrono>
#include <future>
#include <memory>
#include <stdexcept>

namespace podium::test {

/// Calls `start(done)` on the loop and waits for `done(value)`; throws when it does not come within `limit`.
template <class T, class F>
T await(event_loop& loop, F start, std::chrono::seconds limit = std::chrono::seconds{20}) {
  auto promise = std::make_shared<std::promise<T>>();
  auto future = promise->get_future();
  loop.post([promise, start = std::move(start)]() mutable {
    start([promise](T value) { promise->set_value(std::move(value)); });
  });
  if (future.wait_for(limit) != std::future_status::ready)
    throw std::runtime_error("the loop did not answer in time");
  return future.get();
}

} // namespace podium::test
