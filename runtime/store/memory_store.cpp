#include "runtime/store/memory_store.hpp"

#include "core/base_actor.hpp"

#include <algorithm>

namespace podium {
namespace {

class memory_store : public base_actor<store_actor> {
public:
  memory_store(caf::actor_config& cfg, env_ptr actor_env, std::shared_ptr<memory_disk> disk)
      : base_actor(cfg, std::move(actor_env), "store"), disk_(std::move(disk)) {}

protected:
  behavior_type handlers() override {
    return {[this](const store_commit& commit) -> caf::result<ack> {
              auto promise = make_response_promise<ack>();
              auto err = write(commit);
              answer([promise, err]() mutable { err ? promise.deliver(err) : promise.deliver(ack{}); });
              return promise;
            },
            [this](const store_range& range) -> caf::result<store_rows> {
              auto promise = make_response_promise<store_rows>();
              answer([promise, rows = read(range.prefix)]() mutable { promise.deliver(std::move(rows)); });
              return promise;
            }};
  }

private:
  void answer(std::function<void()> f) {
    if (disk_->latency.count() == 0) return f();
    after(disk_->latency, std::move(f));
  }

  caf::error write(const store_commit& commit) {
    if (disk_->failing_commits > 0) {
      --disk_->failing_commits;
      return make_error(disk_->failure, "store: the commit was made to fail");
    }
    for (auto& row : commit.rows) {
      if (row.value.empty())
        disk_->rows.erase(row.key);
      else
        disk_->rows[row.key] = row;
      disk_->revision = std::max(disk_->revision, row.revision);
    }
    return {};
  }

  store_rows read(const std::string& prefix) const {
    store_rows out;
    for (auto i = disk_->rows.lower_bound(prefix); i != disk_->rows.end() && i->first.starts_with(prefix);
         ++i)
      out.rows.push_back(i->second);
    out.revision = disk_->revision;
    return out;
  }

  std::shared_ptr<memory_disk> disk_;
};

} // namespace

store_actor spawn_memory_store(caf::actor_system& system, env_ptr env, std::shared_ptr<memory_disk> disk) {
  return system.spawn<memory_store>(std::move(env), std::move(disk));
}

} // namespace podium
