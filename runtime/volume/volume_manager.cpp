#include "runtime/volume/volume_manager.hpp"

#include "core/base_actor.hpp"
#include "runtime/loop/loop_reply.hpp"
#include "runtime/loop/result_of.hpp"
#include "runtime/loop/serial_queue.hpp"

namespace podium {
namespace {

/// What works on volumes: one queue for each pod that has work, so that no pod waits for the slow disk of
/// another one's. Loop thread only.
class volume_jobs : public std::enable_shared_from_this<volume_jobs> {
public:
  volume_jobs(event_loop& loop, work_pool& pool, volume_settings settings)
      : loop_(loop), pool_(pool), maker_(std::make_shared<const volume_maker>(std::move(settings))) {}

  /// Runs `work(maker)` after all that came before for the same owner and answers what it gives.
  template <class Reply, class Work>
  void run(const std::string& owner, loop_reply<Reply> reply, Work work) {
    auto& own = queues_[owner];
    if (!own.queue) own.queue = std::make_unique<serial_queue>(loop_, pool_);
    ++own.waiting;
    auto result = std::make_shared<std::optional<caf::expected<Reply>>>();
    auto call = [maker = maker_, work = std::move(work)]() -> caf::expected<Reply> { return work(*maker); };
    bool taken = own.queue->submit([result, call]() mutable { result->emplace(result_of(call)); },
                                   [self = shared_from_this(), owner, result, reply] {
                                     self->finished(owner);
                                     reply(std::move(**result));
                                   });
    if (taken) return;
    finished(owner);
    reply(make_error(errc::unavailable, "too much work is queued on this node"));
  }

private:
  struct entry {
    std::unique_ptr<serial_queue> queue;
    size_t waiting = 0;
  };
  void finished(const std::string& owner) {
    if (auto i = queues_.find(owner); i != queues_.end() && --i->second.waiting == 0) queues_.erase(i);
  }

  event_loop& loop_;
  work_pool& pool_;
  const std::shared_ptr<const volume_maker> maker_;
  std::map<std::string, entry> queues_;
};

class volume_manager final : public base_actor<volume_manager_actor> {
public:
  volume_manager(caf::actor_config& cfg, env_ptr env, event_loop& loop, std::shared_ptr<volume_jobs> jobs)
      : base_actor(cfg, std::move(env), "port/volumes"), loop_(loop), jobs_(std::move(jobs)) {}

protected:
  behavior_type handlers() override {
    return {
        [this](const set_volumes& m) {
          return in_order<volumes_set>(m.pod_uid, [m](const volume_maker& maker) { return maker.make(m); });
        },
        [this](const remove_volumes& m) {
          return in_order<ack>(m.pod_uid, [m](const volume_maker& maker) -> caf::expected<ack> {
            if (auto err = maker.remove(m.pod_uid)) return err;
            return ack{};
          });
        },
        [this](const get_volume_usage& m) {
          // Beside the other work: a large tree takes its time, and changes nothing.
          return in_order<volume_usage>("usage/" + m.pod_uid,
                                        [m](const volume_maker& maker) { return maker.usage(m.pod_uid); });
        },
        [this](const make_volume_directory& m) {
          return in_order<volume_directory>("volume/" + m.volume_name,
                                            [m](const volume_maker& maker) { return maker.persistent(m); });
        }};
  }

private:
  template <class Reply, class Work>
  caf::result<Reply> in_order(std::string owner, Work work) {
    return answer_from_loop<Reply>(
        this, loop_,
        [jobs = jobs_, owner = std::move(owner), work = std::move(work)](loop_reply<Reply> reply) {
          jobs->run<Reply>(owner, std::move(reply), work);
        });
  }

  event_loop& loop_;
  const std::shared_ptr<volume_jobs> jobs_;
};

} // namespace

volume_manager_actor spawn_volume_manager(caf::actor_system& system, env_ptr env, event_loop& loop,
                                          work_pool& pool, volume_settings settings) {
  pool.submit([maker = volume_maker{settings}] { maker.sweep(); }, {});
  auto jobs = std::make_shared<volume_jobs>(loop, pool, std::move(settings));
  return system.spawn<volume_manager>(std::move(env), std::ref(loop), std::move(jobs));
}

} // namespace podium
