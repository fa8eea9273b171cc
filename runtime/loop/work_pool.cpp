#include "runtime/loop/event_loop.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <list>
#include <system_error>

namespace podium {
namespace {

constexpr std::chrono::milliseconds patience{100}; ///< without a job begun, before a thread is added
constexpr std::chrono::seconds last_wait{2};       ///< of at_end::leave

} // namespace

/// Shared with its threads and timers: a thread that is stuck may outlive the pool.
struct work_pool::impl : std::enable_shared_from_this<impl> {
  struct job {
    std::function<void()> work, done;
  };

  impl(event_loop& l, unsigned count, size_t queued) : loop(&l), usual(count), max_queued(queued) {}

  event_loop* loop; ///< null once the pool has ended
  const unsigned usual;
  const size_t max_queued;
  std::mutex mutex;
  std::condition_variable ready, ended;
  std::deque<job> queue;
  std::list<job> running; ///< only what `work` is not: that is its thread's
  std::list<std::thread> threads;
  std::vector<std::thread::id> finished;
  size_t alive = 0, idle = 0;
  uint64_t begun = 0;
  bool watching = false, stopping = false;

  void main() {
    std::unique_lock guard{mutex};
    while (next(guard))
      run(guard);
    --alive;
    finished.push_back(std::this_thread::get_id());
    ended.notify_all();
  }

  /// Waits for a job; false: this thread is to end.
  bool next(std::unique_lock<std::mutex>& guard) {
    while (!stopping && queue.empty()) {
      if (alive > usual) return false;
      ++idle;
      ready.wait(guard);
      --idle;
    }
    return !stopping;
  }

  void run(std::unique_lock<std::mutex>& guard) {
    auto work = std::move(queue.front().work);
    auto own = running.insert(running.end(), {{}, std::move(queue.front().done)});
    queue.pop_front();
    ++begun;
    guard.unlock();
    work();
    work = nullptr;
    guard.lock();
    auto done = std::move(own->done);
    running.erase(own);
    if (done && loop) loop->post(std::move(done));
  }

  /// With the lock held. False: the system has no thread to give.
  bool add_thread() {
    reap();
    try {
      threads.emplace_back([self = shared_from_this()] { self->main(); });
    } catch (const std::system_error&) {
      return false;
    }
    ++alive;
    return true;
  }

  /// Joins threads that have ended. With the lock held: they need it no more.
  void reap() {
    threads.remove_if([&](std::thread& t) {
      auto i = std::find(finished.begin(), finished.end(), t.get_id());
      if (i == finished.end()) return false;
      finished.erase(i);
      t.join();
      return true;
    });
  }

  bool short_of_threads() const { return !stopping && queue.size() > idle; }

  /// With the lock held: looks in a while whether what waits has been begun.
  void watch() {
    if (watching || !short_of_threads() || alive >= most_threads) return;
    watching = loop->post([self = shared_from_this(), l = loop, seen = begun] {
      l->after(patience, [self, seen] { self->look(seen); });
    });
  }

  void look(uint64_t seen) {
    std::lock_guard guard{mutex};
    watching = false;
    if (!short_of_threads()) return;
    if (begun == seen) add_thread();
    watch();
  }
};

work_pool::work_pool(event_loop& loop, unsigned threads, size_t max_queued, at_end end)
    : impl_(std::make_shared<impl>(loop, threads, max_queued)), end_(end) {
  std::lock_guard guard{impl_->mutex};
  for (unsigned i = 0; i < threads; ++i)
    if (!impl_->add_thread() && i == 0)
      throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
}

work_pool::~work_pool() {
  std::list<impl::job> dropped;
  std::deque<impl::job> unbegun;
  std::unique_lock guard{impl_->mutex};
  impl_->stopping = true;
  impl_->ready.notify_all();
  auto over = [this] { return impl_->alive == 0; };
  if (end_ == at_end::finish)
    impl_->ended.wait(guard, over);
  else
    impl_->ended.wait_for(guard, last_wait, over);
  impl_->reap();
  impl_->loop = nullptr;
  for (auto& stuck : impl_->threads)
    stuck.detach();
  impl_->threads.clear();
  // What their answers hold goes with the pool, not with the thread.
  for (auto& job : impl_->running)
    dropped.push_back({{}, std::move(job.done)});
  unbegun.swap(impl_->queue);
  guard.unlock();
}

bool work_pool::submit(std::function<void()> work, std::function<void()> done) {
  {
    std::lock_guard guard{impl_->mutex};
    if (impl_->queue.size() >= impl_->max_queued) return false;
    impl_->queue.push_back({std::move(work), std::move(done)});
    impl_->watch();
  }
  impl_->ready.notify_one();
  return true;
}

} // namespace podium
