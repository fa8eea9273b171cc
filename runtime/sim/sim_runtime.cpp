#include "runtime/sim/sim_runtime.hpp"

namespace podium {

sim_runtime::sim_runtime(caf::actor_config& cfg, env_ptr env, std::string path,
                         std::shared_ptr<sim_world> world)
    : base_actor(cfg, std::move(env), std::move(path)), world_(std::move(world)) {
  exits_seen_ = world_->exits().size();
}

sim_runtime::~sim_runtime() {
  detach();
}

void sim_runtime::on_start() {
  detach();
  execs_.clear();
  next_at_.reset();
  subscription_ = world_->subscribe([this] { after(nanoseconds{0}, [this] { settle(); }); });
  arm_next();
}

void sim_runtime::ended() {
  detach();
  waiting_.clear();
  waiting_for_loss_.clear();
  execs_.clear();
}

void sim_runtime::detach() {
  if (subscription_ != 0) world_->unsubscribe(subscription_);
  subscription_ = 0;
}

sim_runtime::behavior_type sim_runtime::handlers() {
  return {
      [this](const create_sandbox& x) { return reply_at(world_->create(x, now())); },
      [this](const wait_sandbox& x) { return wait(x); },
      [this](const remove_sandbox& x) {
        world_->remove(x, now());
        settle();
        return ack{};
      },
      [this](const create_container& x) {
        auto due = world_->create(x, now());
        settle();
        return reply_at(std::move(due));
      },
      [this](const start_container& x) { return start(x.key); },
      [this](const wait_container& x) { return wait(x.key); },
      [this](const signal_container& x) -> caf::result<ack> {
        auto outcome = world_->signal(x, now());
        settle();
        if (!outcome) return outcome.error();
        return ack{};
      },
      [this](const remove_container& x) -> caf::result<ack> {
        auto outcome = world_->remove(x, now());
        if (!outcome) return outcome.error();
        return ack{};
      },
      [this](const exec_sync& x) { return exec(x); },
      [this](const list_runtime& x) { return world_->list(x.pod_uid, now()); },
      [this](const get_machine_facts&) { return world_->facts; },
  };
}

template <class T>
caf::result<T> sim_runtime::reply_at(sim_due<T> due) {
  if (due.at <= now()) {
    if (!due.value) return due.value.error();
    return *due.value;
  }
  auto promise = this->template make_response_promise<T>();
  at(due.at, [promise, value = std::move(due.value)]() mutable {
    if (value)
      promise.deliver(*value);
    else
      promise.deliver(value.error());
  });
  return promise;
}

caf::result<container_started> sim_runtime::start(const container_key& key) {
  auto due = world_->start(key, now());
  settle();
  if (!due.value || due.at <= now()) return reply_at(std::move(due));
  auto promise = make_response_promise<container_started>();
  at(due.at, [this, key, promise]() mutable {
    auto outcome = world_->started(key, now());
    settle();
    if (outcome)
      promise.deliver(*outcome);
    else
      promise.deliver(outcome.error());
  });
  return promise;
}

caf::result<container_exit> sim_runtime::wait(const container_key& key) {
  auto exit = world_->exit_of(key, now());
  settle();
  if (!exit) return exit.error();
  if (*exit) return **exit;
  auto promise = make_response_promise<container_exit>();
  waiting_[key].push_back(promise);
  return promise;
}

caf::result<sandbox_end> sim_runtime::wait(const wait_sandbox& request) {
  auto loss = world_->loss_of(request);
  if (!loss) return loss.error();
  if (*loss) return **loss;
  auto promise = make_response_promise<sandbox_end>();
  waiting_for_loss_.emplace_back(request, promise);
  return promise;
}

caf::result<exec_result> sim_runtime::exec(const exec_sync& request) {
  if (!request.once.empty()) {
    if (auto told = told_once_.find({request.key, request.once}); told != told_once_.end())
      return told->second;
    for (auto& running : execs_)
      if (running.key == request.key && running.once == request.once) {
        running.promises.push_back(make_response_promise<exec_result>());
        return running.promises.back();
      }
  }
  auto due = world_->exec(request, now());
  settle();
  if (due.at <= now()) {
    if (due.value && !request.once.empty()) told_once_[{request.key, request.once}] = *due.value;
    return reply_at(std::move(due));
  }
  auto promise = make_response_promise<exec_result>();
  auto entry = execs_.insert(execs_.end(), {request.key, request.once, {promise}});
  entry->due = at(due.at, [this, entry, value = std::move(due.value)]() mutable {
    auto exec = std::move(*entry);
    execs_.erase(entry);
    if (value && !exec.once.empty()) told_once_[{exec.key, exec.once}] = *value;
    answer(exec, value);
  });
  return promise;
}

void sim_runtime::answer(running_exec& exec, const caf::expected<exec_result>& outcome) {
  for (auto& promise : exec.promises) {
    if (outcome)
      promise.deliver(*outcome);
    else
      promise.deliver(outcome.error());
  }
}

/// Lets the world catch up, and hands every new exit to those who wait for it.
void sim_runtime::settle() {
  world_->advance(now());
  while (exits_seen_ < world_->exits().size()) {
    auto exit = world_->exits()[exits_seen_++];
    if (auto waiters = waiting_.extract(exit.key))
      for (auto& promise : waiters.mapped())
        promise.deliver(exit);
    for (auto i = execs_.begin(); i != execs_.end();) {
      if (i->key != exit.key) {
        ++i;
        continue;
      }
      cancel(i->due);
      answer(*i, exec_result{137, false, ""});
      i = execs_.erase(i);
    }
    std::erase_if(told_once_, [&](auto& told) { return told.first.first == exit.key; });
  }
  for (auto& [request, promise] : std::exchange(waiting_for_loss_, {})) {
    auto loss = world_->loss_of(request);
    if (!loss)
      promise.deliver(loss.error());
    else if (*loss)
      promise.deliver(**loss);
    else
      waiting_for_loss_.emplace_back(request, promise);
  }
  arm_next();
}

void sim_runtime::arm_next() {
  auto next = world_->next_event();
  if (next == next_at_) return;
  cancel(next_);
  next_at_ = next;
  if (!next) return;
  next_ = at(*next, [this] {
    next_ = 0;
    next_at_.reset();
    settle();
  });
}

} // namespace podium
