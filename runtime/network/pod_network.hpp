// The pods' network: one bridge, a namespace and an address per pod, host ports.
#pragma once
#include "core/error.hpp"
#include "runtime/loop/result_of.hpp"
#include "runtime/loop/serial_queue.hpp"
#include "runtime/network/network_worker.hpp"
#include <functional>
#include <memory>

namespace podium {

/// All calls and answers on the loop's thread; the work is done in order in the work pool. Pods on the host's
/// network do not come here. Answers are also given after the object's end, as long as the loop runs.
class pod_network {
public:
  pod_network(event_loop& loop, work_pool& pool, network_settings settings)
      : state_(std::make_shared<state>(loop, pool, std::move(settings))) {}
  ~pod_network() {
    state_->loop.run([s = state_] {
      s->closed = true;
      if (s->timer != 0) s->loop.cancel(s->timer);
    });
  }
  pod_network(const pod_network&) = delete;
  pod_network& operator=(const pod_network&) = delete;

  /// First of all calls: see network_worker::start(). Gives the pods that are adopted.
  void start(std::function<void(caf::expected<std::vector<pod_network_info>>)> done) {
    submit([](network_worker& w) { return w.start(); }, std::move(done));
  }
  /// `netns`: see network_worker::setup().
  void setup(std::string pod_uid, std::vector<port_mapping> ports, std::filesystem::path netns,
             std::function<void(caf::expected<pod_network_info>)> done) {
    submit([uid = std::move(pod_uid), ports = std::move(ports),
            netns = std::move(netns)](network_worker& w) { return w.setup(uid, ports, netns); },
           std::move(done));
  }
  void teardown(std::string pod_uid, std::function<void(caf::error)> done) {
    submit([uid = std::move(pod_uid)](network_worker& w) { return w.teardown(uid); },
           std::function<void(caf::error)>{[s = state_, done = std::move(done)](caf::error err) {
             look_after(s);
             done(std::move(err));
           }});
  }
  /// Removes every pod's network, the bridge and the rules.
  void remove_all(std::function<void(caf::error)> done) {
    submit([](network_worker& w) { return w.remove_all(); }, std::move(done));
  }

private:
  struct state {
    state(event_loop& l, work_pool& pool, network_settings settings)
        : loop(l), queue(l, pool), worker(std::make_shared<network_worker>(std::move(settings))) {}
    event_loop& loop;
    serial_queue queue;
    std::shared_ptr<network_worker> worker; ///< touched by the queue's jobs only
    uint64_t timer = 0;
    bool closed = false; ///< the pool may be gone
  };

  /// By then the kernel has ended the namespaces of the pods that are gone, but for those that are held.
  static constexpr auto look_delay = std::chrono::seconds{2};
  static void look_after(const std::shared_ptr<state>& s) {
    if (s->closed || s->timer != 0) return;
    s->timer = s->loop.after(look_delay, [s] {
      s->timer = 0;
      // One that fails is taken up by the next teardown's look, or by the next start.
      s->queue.submit([w = s->worker] { (void)w->remove_leaving(); }, {});
    });
  }

  template <class Work, class Result>
  void submit(Work work, std::function<void(Result)> done) {
    auto result = std::make_shared<std::optional<Result>>();
    auto accepted = state_->queue.submit(
        [w = state_->worker, result, work = std::move(work)] {
          result->emplace(result_of([&] { return Result(work(*w)); }));
        },
        [result, done] { done(std::move(**result)); });
    if (!accepted) done(make_error(errc::unavailable, "too much work is waiting for the pod network"));
  }

  std::shared_ptr<state> state_;
};

} // namespace podium
