// The one libuv loop of a process: its own thread, fed by post(); it answers actors by anon_send and never
// blocks.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

struct uv_loop_s;

namespace podium {

class event_loop {
public:
  /// Starts the loop's thread.
  event_loop();
  /// Runs what was posted, closes every handle that is left and joins the thread.
  ~event_loop();
  event_loop(const event_loop&) = delete;
  event_loop& operator=(const event_loop&) = delete;

  /// Runs `f` on the loop thread, in the order of the posts. From any thread; after stop() the call is
  /// dropped and the answer is false.
  bool post(std::function<void()> f);
  /// Runs `f` on the loop thread and waits for it; inline when called from there. False (f did not run) after
  /// stop().
  bool run(const std::function<void()>& f);
  /// Runs `f` once after `delay`, on the loop thread. Call from the loop thread only. Returns an id for
  /// cancel().
  uint64_t after(std::chrono::nanoseconds delay, std::function<void()> f);
  /// Forgets a pending after(). Call from the loop thread only.
  void cancel(uint64_t timer_id);
  /// Registers work for the end of the loop, run on the loop thread before handles are closed (last in, first
  /// out).
  void at_stop(std::function<void()> f);
  /// Ends the loop; idempotent, not from the loop thread.
  void stop();

  uv_loop_s* raw();
  bool in_loop_thread() const { return std::this_thread::get_id() == thread_.get_id(); }

private:
  struct impl;
  void main();
  void drain();
  std::unique_ptr<impl> impl_;
  std::thread thread_;
};

/// Threads for what would block the loop or an actor: unpacking, deleting trees, file reads. The queue is
/// bounded. While jobs wait and none has been begun for a tenth of a second (all threads are in system calls
/// that do not come back, a disk that hangs), one thread after the other is added, and ends when it has
/// nothing to do.
class work_pool {
public:
  enum class at_end : uint8_t {
    finish, ///< waits for the jobs that run
    leave,  ///< waits two seconds; jobs may use nothing that ends with the pool, their `done` is dropped
  };
  static constexpr unsigned most_threads = 256;

  work_pool(event_loop& loop, unsigned threads, size_t max_queued = 10'000, at_end end = at_end::finish);
  /// Finishes what runs, drops what waits.
  ~work_pool();
  /// Runs `work` on a pool thread, then `done` on the loop thread. False when the queue is full.
  bool submit(std::function<void()> work, std::function<void()> done);

private:
  struct impl;
  std::shared_ptr<impl> impl_;
  const at_end end_;
};

} // namespace podium
