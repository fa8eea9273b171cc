#include "runtime/loop/event_loop.hpp"

#include <future>
#include <map>
#include <pthread.h>
#include <signal.h>
#include <unordered_map>
#include <uv.h>

namespace podium {

using std::chrono::nanoseconds;

struct event_loop::impl {
  uv_loop_t loop{};
  uv_async_t async{};
  std::mutex mutex;
  std::vector<std::function<void()>> queue;
  std::vector<std::function<void()>> at_stop;
  std::unordered_map<uint64_t, uv_timer_t*> timers;
  uint64_t next_timer = 0;
  bool stopping = false;

  struct timer {
    uv_timer_t handle{};
    impl* owner = nullptr;
    uint64_t id = 0;
    std::function<void()> f;
  };
};

event_loop::event_loop() : impl_(std::make_unique<impl>()) {
  uv_loop_init(&impl_->loop);
  uv_async_init(&impl_->loop, &impl_->async,
                [](uv_async_t* async) { static_cast<event_loop*>(async->data)->drain(); });
  impl_->async.data = this;
  std::promise<void> started;
  thread_ = std::thread([this, &started] {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    started.set_value();
    main();
  });
  started.get_future().wait();
}

event_loop::~event_loop() {
  stop();
}

uv_loop_s* event_loop::raw() {
  return &impl_->loop;
}

bool event_loop::post(std::function<void()> f) {
  std::lock_guard guard{impl_->mutex};
  if (impl_->stopping) return false;
  impl_->queue.push_back(std::move(f));
  if (impl_->queue.size() == 1) uv_async_send(&impl_->async);
  return true;
}

bool event_loop::run(const std::function<void()>& f) {
  if (in_loop_thread()) {
    f();
    return true;
  }
  std::promise<void> done;
  auto accepted = post([&] {
    f();
    done.set_value();
  });
  // A dropped call would never set the promise.
  if (accepted) done.get_future().wait();
  return accepted;
}

void event_loop::drain() {
  std::vector<std::function<void()>> batch;
  {
    std::lock_guard guard{impl_->mutex};
    batch.swap(impl_->queue);
  }
  for (auto& f : batch)
    f();
}

void event_loop::main() {
  uv_run(&impl_->loop, UV_RUN_DEFAULT);
  drain();
  while (!impl_->at_stop.empty()) {
    auto f = std::move(impl_->at_stop.back());
    impl_->at_stop.pop_back();
    f();
  }
  for (auto& [id, handle] : impl_->timers)
    uv_close(reinterpret_cast<uv_handle_t*>(handle),
             [](uv_handle_t* h) { delete static_cast<impl::timer*>(h->data); });
  impl_->timers.clear();
  uv_close(reinterpret_cast<uv_handle_t*>(&impl_->async), nullptr);
  uv_run(&impl_->loop, UV_RUN_DEFAULT);
}

void event_loop::stop() {
  if (!thread_.joinable()) return;
  {
    // In one step: a post between the two would be accepted but could miss the loop's last drain.
    std::lock_guard guard{impl_->mutex};
    impl_->queue.emplace_back([this] { uv_stop(&impl_->loop); });
    impl_->stopping = true;
    uv_async_send(&impl_->async);
  }
  thread_.join();
  // A handle that somebody left open keeps the loop's memory: closing it here would call into freed objects.
  uv_loop_close(&impl_->loop);
}

void event_loop::at_stop(std::function<void()> f) {
  impl_->at_stop.push_back(std::move(f));
}

uint64_t event_loop::after(nanoseconds delay, std::function<void()> f) {
  auto* t = new impl::timer;
  t->owner = impl_.get();
  t->id = ++impl_->next_timer;
  t->f = std::move(f);
  t->handle.data = t;
  uv_timer_init(&impl_->loop, &t->handle);
  uv_update_time(&impl_->loop);
  auto ms = std::chrono::ceil<std::chrono::milliseconds>(delay).count();
  uv_timer_start(
      &t->handle,
      [](uv_timer_t* h) {
        auto* self = static_cast<impl::timer*>(h->data);
        self->owner->timers.erase(self->id);
        auto g = std::move(self->f);
        uv_close(reinterpret_cast<uv_handle_t*>(h),
                 [](uv_handle_t* x) { delete static_cast<impl::timer*>(x->data); });
        g();
      },
      ms < 0 ? 0 : static_cast<uint64_t>(ms), 0);
  impl_->timers.emplace(t->id, &t->handle);
  return t->id;
}

void event_loop::cancel(uint64_t timer_id) {
  auto i = impl_->timers.find(timer_id);
  if (i == impl_->timers.end()) return;
  auto* handle = i->second;
  impl_->timers.erase(i);
  uv_timer_stop(handle);
  uv_close(reinterpret_cast<uv_handle_t*>(handle),
           [](uv_handle_t* h) { delete static_cast<impl::timer*>(h->data); });
}

} // namespace podium
