// The pods' network: one bridge, a namespace and an address per pod, host ports.
#pragma once
#include "core/error.hpp"
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
      : queue_(loop, pool), worker_(std::make_shared<network_worker>(std::move(settings))) {}

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
    submit([uid = std::move(pod_uid)](network_worker& w) { return w.teardown(uid); }, std::move(done));
  }
  /// Removes every pod's network, the bridge and the rules.
  void remove_all(std::function<void(caf::error)> done) {
    submit([](network_worker& w) { return w.remove_all(); }, std::move(done));
  }

private:
  template <class Work, class Result>
  void submit(Work work, std::function<void(Result)> done) {
    auto result = std::make_shared<std::optional<Result>>();
    auto accepted =
        queue_.submit([w = worker_, result, work = std::move(work)] { result->emplace(work(*w)); },
                      [result, done] { done(std::move(**result)); });
    if (!accepted) done(make_error(errc::unavailable, "too much work is waiting for the pod network"));
  }

  serial_queue queue_;
  std::shared_ptr<network_worker> worker_;
};

} // namespace podium
