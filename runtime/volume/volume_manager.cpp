#include "runtime/volume/volume_manager.hpp"

#include "core/base_actor.hpp"
#include "runtime/loop/loop_reply.hpp"
#include "runtime/loop/result_of.hpp"

#include <algorithm>
#include <deque>
#include <set>

namespace podium {
namespace {

/// What works on volumes: one queue for each pod that has work, and one for each path of the node that is
/// looked at, so that neither a pod nor the end of the same pod waits for a disk that hangs. Loop thread
/// only.
class volume_jobs : public std::enable_shared_from_this<volume_jobs> {
public:
  volume_jobs(event_loop& loop, volume_settings settings)
      : pool_(loop, usual_threads, most_queued, work_pool::at_end::leave),
        maker_(std::make_shared<const volume_maker>(std::move(settings))) {
    pool_.submit([maker = maker_] { maker->sweep(); }, {});
  }

  /// Runs `work(maker)` after all that came before for the same owner and answers what it gives. A job that
  /// still waits under the same `title` is replaced: who asked for it has asked again.
  template <class Reply, class Work, class Answer>
  void run(const std::string& owner, const std::string& title, Answer answer, Work work) {
    auto result = std::make_shared<std::optional<caf::expected<Reply>>>();
    auto call = [maker = maker_, work = std::move(work)]() -> caf::expected<Reply> { return work(*maker); };
    job next{title, [result, call]() mutable { result->emplace(result_of(call)); },
             [result, answer] { answer(std::move(**result)); },
             [answer](caf::error why) { answer(std::move(why)); }};
    auto& queue = queues_[owner];
    auto old = std::find_if(queue.begin() + (queue.empty() ? 0 : 1), queue.end(),
                            [&](auto& j) { return !title.empty() && j.title == title; });
    if (old != queue.end()) {
      auto refuse = std::move(old->refuse);
      *old = std::move(next);
      return refuse(make_error(errc::stale, "asked for again"));
    }
    queue.push_back(std::move(next));
    if (queue.size() == 1) begin(owner);
  }

private:
  struct job {
    std::string title;
    std::function<void()> work, finish;
    std::function<void(caf::error)> refuse;
  };
  /// Usually all is done in an instant; what hangs is what makes the pool grow.
  static constexpr unsigned usual_threads = 2;
  static constexpr size_t most_queued = 10'000;

  /// The first of a queue is the one that runs.
  void begin(const std::string& owner) {
    auto& queue = queues_[owner];
    while (!queue.empty()) {
      if (pool_.submit(std::move(queue.front().work), [self = weak_from_this(), owner] {
            if (auto alive = self.lock()) alive->finished(owner);
          }))
        return;
      auto refuse = std::move(queue.front().refuse);
      queue.pop_front();
      refuse(make_error(errc::unavailable, "too much work is queued on this node"));
    }
    queues_.erase(owner);
  }
  void finished(const std::string& owner) {
    auto& queue = queues_[owner];
    auto finish = std::move(queue.front().finish);
    queue.pop_front();
    begin(owner);
    finish();
  }

  work_pool pool_;
  const std::shared_ptr<const volume_maker> maker_;
  std::map<std::string, std::deque<job>> queues_;
};

/// The answer to one request that was done in parts.
struct gathered {
  loop_reply<volumes_set> reply;
  volumes_set all;
  size_t left = 0;

  void take(const set_volumes& part, caf::expected<volumes_set> made) {
    if (made)
      all.volumes.insert(all.volumes.end(), made->volumes.begin(), made->volumes.end());
    else
      for (auto& wish : part.volumes)
        all.volumes.push_back({wish.name, "", message_of(made.error())});
    if (--left == 0) reply(std::move(all));
  }
};

/// What is the pod's own together, each path of the node by itself.
struct parts {
  explicit parts(const set_volumes& request) {
    auto empty = [&] { return set_volumes{request.pod_uid, request.fs_group, request.on_root_mismatch, {}}; };
    own = empty();
    for (auto& wish : request.volumes) {
      bool path = wish.kind == volume_kind::host_path;
      if (path) paths.push_back(empty());
      (path ? paths.back() : own).volumes.push_back(wish);
      marked = marked || (path && wish.group_owned && request.fs_group >= 0);
    }
  }
  set_volumes own;
  std::vector<set_volumes> paths;
  bool marked = false; ///< a path leaves a mark beside the pod's own volumes
};

/// The pod's own first: the directory that they are in is the pod's. They never wait for a path that hangs.
void set_in_parts(const std::shared_ptr<volume_jobs>& jobs, const set_volumes& request,
                  loop_reply<volumes_set> reply) {
  parts all{request};
  bool own = !all.own.volumes.empty() || all.marked;
  auto answer = std::make_shared<gathered>(gathered{std::move(reply), {}, all.paths.size() + (own ? 1 : 0)});
  if (answer->left == 0) return answer->reply(volumes_set{});
  auto set_paths = [weak = std::weak_ptr{jobs}, answer, paths = std::move(all.paths)] {
    auto alive = weak.lock();
    if (!alive) return;
    for (auto& part : paths)
      alive->run<volumes_set>(
          "path/" + part.volumes[0].path, part.pod_uid + "/" + part.volumes[0].name,
          [answer, part](caf::expected<volumes_set> made) { answer->take(part, std::move(made)); },
          [part](const volume_maker& maker) -> caf::expected<volumes_set> { return maker.make(part); });
  };
  if (!own) return set_paths();
  jobs->run<volumes_set>(
      request.pod_uid, "",
      [answer, part = all.own, set_paths](caf::expected<volumes_set> made) {
        answer->take(part, std::move(made));
        set_paths();
      },
      [part = all.own, marked = all.marked](const volume_maker& maker) -> caf::expected<volumes_set> {
        if (auto err = marked ? maker.make_pod_directory(part.pod_uid) : caf::error{}) return err;
        return maker.make(part);
      });
}

class volume_manager final : public base_actor<volume_manager_actor> {
public:
  volume_manager(caf::actor_config& cfg, env_ptr env, event_loop& loop, std::shared_ptr<volume_jobs> jobs)
      : base_actor(cfg, std::move(env), "port/volumes"), loop_(loop), jobs_(std::move(jobs)) {}

protected:
  behavior_type handlers() override {
    return {
        [this](const set_volumes& m) -> caf::result<volumes_set> {
          if (gone_.contains(m.pod_uid))
            return make_error(errc::conflict, "pod " + m.pod_uid + " has ended, and its volumes are gone");
          return answer_from_loop<volumes_set>(this, loop_, [jobs = jobs_, m](loop_reply<volumes_set> reply) {
            set_in_parts(jobs, m, reply);
          });
        },
        [this](const remove_volumes& m) {
          note_gone(m.pod_uid);
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

  /// Jobs that wait hold this actor by their answers.
  void ended() override { jobs_ = nullptr; }

private:
  template <class Reply, class Work>
  caf::result<Reply> in_order(std::string owner, Work work) {
    return answer_from_loop<Reply>(
        this, loop_,
        [jobs = jobs_, owner = std::move(owner), work = std::move(work)](loop_reply<Reply> reply) {
          jobs->run<Reply>(owner, "", reply, work);
        });
  }

  /// A pod's volumes go once. A wish that comes late, or twice, makes nothing that nobody would take away.
  void note_gone(const std::string& uid) {
    if (!gone_.insert(uid).second) return;
    went_.push_back(uid);
    if (went_.size() <= most_gone) return;
    gone_.erase(went_.front());
    went_.pop_front();
  }
  static constexpr size_t most_gone = 1000;

  event_loop& loop_;
  std::shared_ptr<volume_jobs> jobs_;
  std::set<std::string> gone_;   ///< the last of the pods that have ended
  std::deque<std::string> went_; ///< the same, in order
};

} // namespace

volume_manager_actor spawn_volume_manager(caf::actor_system& system, env_ptr env, event_loop& loop,
                                          volume_settings settings) {
  auto jobs = std::make_shared<volume_jobs>(loop, std::move(settings));
  return system.spawn<volume_manager>(std::move(env), std::ref(loop), std::move(jobs));
}

} // namespace podium
