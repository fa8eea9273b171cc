#include "runtime/store/sqlite_store.hpp"

#include "core/base_actor.hpp"
#include "runtime/store/sqlite_file.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <variant>

namespace podium {
namespace {

/// How much may wait for the disk before more is refused.
constexpr size_t max_waiting = 10'000;
/// How long commits that may wait do so for another: each transaction is a turn of the disk.
constexpr auto longest_hold = std::chrono::milliseconds{5};

/// "Look at the finished work": a wake-up that may be lost or doubled, the results are not in it.
struct store_wake {};
BOOST_DESCRIBE_STRUCT(store_wake, (), ())

using sqlite_store_actor = store_actor::extend<caf::reacts_to<store_wake>>;

struct finished_work {
  uint64_t id;
  std::variant<ack, store_rows, caf::error> result;
};

/// The thread that owns the file.
class store_thread {
public:
  explicit store_thread(std::unique_ptr<sqlite_file> file) : file_(std::move(file)) {}
  ~store_thread() { stop(); }

  /// `owner` is woken when work is finished; the thread does not keep it alive.
  void start(caf::actor_addr owner) {
    owner_ = std::move(owner);
    thread_ = std::thread{[this] { run(); }};
  }
  /// Finishes what was accepted and closes the file.
  void stop() {
    {
      std::lock_guard guard{mutex_};
      stopping_ = true;
    }
    ready_.notify_one();
    if (thread_.joinable()) thread_.join();
  }
  bool submit(uint64_t id, std::variant<store_commit, store_range> work) {
    {
      std::lock_guard guard{mutex_};
      if (waiting_.size() >= max_waiting) return false;
      auto* commit = std::get_if<store_commit>(&work);
      urgent_ = urgent_ || !commit || !commit->may_wait;
      waiting_.emplace_back(id, std::move(work));
    }
    ready_.notify_one();
    return true;
  }
  std::vector<finished_work> take_finished() {
    std::lock_guard guard{mutex_};
    return std::exchange(finished_, {});
  }

private:
  using job = std::pair<uint64_t, std::variant<store_commit, store_range>>;

  void run() {
    for (;;) {
      std::vector<job> batch;
      {
        std::unique_lock lock{mutex_};
        ready_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
        ready_.wait_for(lock, longest_hold, [&] { return stopping_ || urgent_; });
        if (waiting_.empty()) break;
        batch.swap(waiting_);
        urgent_ = false;
      }
      auto done = perform(batch);
      std::lock_guard guard{mutex_};
      std::move(done.begin(), done.end(), std::back_inserter(finished_));
      if (auto owner = caf::actor_cast<sqlite_store_actor>(owner_); owner && !stopping_)
        caf::anon_send(owner, store_wake{});
    }
    file_.reset();
  }

  /// Runs of commits between two reads are one transaction each, so that a read sees what was sent before it.
  std::vector<finished_work> perform(std::vector<job>& batch) {
    std::vector<finished_work> out;
    for (size_t i = 0; i < batch.size();) {
      if (auto* range = std::get_if<store_range>(&batch[i].second)) {
        auto rows = file_->range(range->prefix);
        out.push_back(
            {batch[i++].first, rows ? decltype(finished_work::result){std::move(*rows)} : rows.error()});
        continue;
      }
      auto first = i;
      std::vector<const store_commit*> commits;
      for (; i < batch.size() && std::holds_alternative<store_commit>(batch[i].second); ++i)
        commits.push_back(&std::get<store_commit>(batch[i].second));
      auto err = file_->commit(commits);
      for (auto j = first; j < i; ++j) {
        // What does not fit on a full disk is not to take the others along.
        auto own = err && commits.size() > 1 ? file_->commit({commits[j - first]}) : err;
        out.push_back({batch[j].first, own ? decltype(finished_work::result){own} : ack{}});
      }
    }
    return out;
  }

  std::unique_ptr<sqlite_file> file_;
  caf::actor_addr owner_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<job> waiting_;
  bool urgent_ = false; ///< something waits that may not
  std::vector<finished_work> finished_;
  bool stopping_ = false;
  std::thread thread_;
};

class sqlite_store : public base_actor<sqlite_store_actor> {
public:
  sqlite_store(caf::actor_config& cfg, env_ptr actor_env, std::unique_ptr<store_thread> thread)
      : base_actor(cfg, std::move(actor_env), "store"), thread_(std::move(thread)) {}

protected:
  void on_start() override {
    if (!std::exchange(started_, true)) thread_->start(address());
  }
  void ended() override {
    commits_.clear();
    ranges_.clear();
    // Waits for what was accepted: the file is closed, and may be opened again, once the actor is gone.
    thread_.reset();
  }
  behavior_type handlers() override {
    return {[this](store_commit& commit) { return submit<ack>(commits_, std::move(commit)); },
            [this](store_range& range) { return submit<store_rows>(ranges_, std::move(range)); },
            [this](const store_wake&) { deliver_finished(); }};
  }

private:
  template <class Reply>
  using promises = std::map<uint64_t, caf::typed_response_promise<Reply>>;

  template <class Reply, class Work>
  caf::result<Reply> submit(promises<Reply>& where, Work work) {
    auto promise = make_response_promise<Reply>();
    auto id = ++last_id_;
    if (!thread_->submit(id, std::move(work))) {
      promise.deliver(make_error(errc::unavailable, "the store is too far behind"));
    } else {
      where.emplace(id, promise);
    }
    return promise;
  }

  void deliver_finished() {
    for (auto& [id, result] : thread_->take_finished())
      if (!deliver(commits_, id, result)) deliver(ranges_, id, result);
  }

  template <class Reply>
  bool deliver(promises<Reply>& from, uint64_t id, std::variant<ack, store_rows, caf::error>& result) {
    auto i = from.find(id);
    if (i == from.end()) return false;
    if (auto* err = std::get_if<caf::error>(&result))
      i->second.deliver(std::move(*err));
    else
      i->second.deliver(std::move(std::get<Reply>(result)));
    from.erase(i);
    return true;
  }

  std::unique_ptr<store_thread> thread_;
  bool started_ = false;
  uint64_t last_id_ = 0;
  promises<ack> commits_;
  promises<store_rows> ranges_;
};

} // namespace

store_actor spawn_sqlite_store(caf::actor_system& system, env_ptr env, std::unique_ptr<sqlite_file> file) {
  return system.spawn<sqlite_store>(std::move(env), std::make_unique<store_thread>(std::move(file)));
}

caf::expected<store_actor> spawn_sqlite_store(caf::actor_system& system, env_ptr env,
                                              const std::string& path) {
  auto file = sqlite_file::open(path);
  if (!file) return file.error();
  return spawn_sqlite_store(system, std::move(env), std::move(*file));
}

} // namespace podium
