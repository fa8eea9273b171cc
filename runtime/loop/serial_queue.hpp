// Jobs of one owner in a work pool: in order, one at a time, so that the owner's data needs no lock.
#pragma once
#include "runtime/loop/event_loop.hpp"
#include <deque>
#include <memory>
#include <mutex>

namespace podium {

/// A queue of jobs that run one after the other on a thread of a work pool. Callable from any thread. Jobs
/// should hold what they use by shared pointer, since those in flight outlive the queue.
class serial_queue {
public:
  serial_queue(event_loop& loop, work_pool& pool) : pool_(&pool), state_(std::make_shared<state>(loop)) {}

  /// Runs `work` after all that came before, on a pool thread, then `done` on the loop thread. False, and
  /// nothing of what waits will run, when the pool's queue is full.
  bool submit(std::function<void()> work, std::function<void()> done) {
    std::lock_guard guard{state_->mutex};
    state_->waiting.push_back({std::move(work), std::move(done)});
    if (state_->running) return true;
    if (!pool_->submit([s = state_] { drain(*s); }, {})) {
      state_->waiting.clear();
      return false;
    }
    state_->running = true;
    return true;
  }

private:
  struct job {
    std::function<void()> work, done;
  };
  struct state {
    explicit state(event_loop& l) : loop(l) {}
    event_loop& loop;
    std::mutex mutex;
    std::deque<job> waiting;
    bool running = false;
  };

  static void drain(state& self) {
    while (true) {
      job current;
      {
        std::lock_guard guard{self.mutex};
        if (self.waiting.empty()) {
          self.running = false;
          return;
        }
        current = std::move(self.waiting.front());
        self.waiting.pop_front();
      }
      current.work();
      if (current.done) self.loop.post(std::move(current.done));
    }
  }

  work_pool* pool_;
  std::shared_ptr<state> state_;
};

} // namespace podium
