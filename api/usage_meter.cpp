#include "api/usage_meter.hpp"

#include <utility>

namespace podium::api {

usage_meter::usage_meter(event_loop& loop, std::shared_ptr<usage_source> source)
    : loop_(loop), source_(std::move(source)) {}

usage_meter::~usage_meter() = default;

void usage_meter::measure(std::vector<usage_target> targets, answer done) {
  look(std::make_shared<question>(question{std::move(targets), std::move(done)}));
}

void usage_meter::look(std::shared_ptr<question> q) {
  source_->read(q->targets, [this, weak = std::weak_ptr{alive_}, q](const usage_reading& r) {
    if (weak.lock()) looked(q, r);
  });
}

usage_meter::mark_table usage_meter::marks_of(const question& q, const usage_reading& r) {
  mark_table out;
  if (r.node) out[{}] = {r.at, *r.node};
  for (size_t i = 0; i < q.targets.size() && i < r.containers.size(); ++i)
    if (r.containers[i]) out[q.targets[i]] = {r.at, *r.containers[i]};
  return out;
}

std::optional<usage_rate> usage_meter::rate(const mark_table& before, const usage_target& key,
                                            const mark& now, nanoseconds least) {
  auto i = before.find(key);
  if (i == before.end()) return {};
  auto& then = i->second;
  auto window = std::chrono::duration_cast<nanoseconds>(now.at - then.at);
  bool comparable = then.counters.instance == now.counters.instance
                    && then.counters.cpu_ns <= now.counters.cpu_ns && window <= longest_window;
  if (!comparable || window < least || window.count() <= 0) return {};
  auto used = static_cast<double>(now.counters.cpu_ns - then.counters.cpu_ns);
  return usage_rate{static_cast<int64_t>(used * 1e9 / static_cast<double>(window.count())),
                    now.counters.memory_bytes, window};
}

/// A mark that is younger than the least window stays: the next asker has a use for it.
void usage_meter::remember(const mark_table& now) {
  for (auto& [key, seen] : now) {
    auto [i, fresh] = marks_.try_emplace(key, seen);
    bool keeps = !fresh && i->second.counters.instance == seen.counters.instance
                 && seen.at - i->second.at < least_window;
    if (!keeps) i->second = seen;
  }
}

void usage_meter::looked(const std::shared_ptr<question>& q, const usage_reading& r) {
  std::erase_if(marks_, [&](auto& m) { return r.at - m.second.at > longest_window; });
  auto now = marks_of(*q, r);
  measured_usage out;
  bool waits = false;
  for (auto& [key, seen] : now) {
    auto used = rate(marks_, key, seen, least_window);
    if (!used) used = rate(q->first, key, seen, nanoseconds{1});
    if (!used)
      waits = true;
    else if (key == usage_target{})
      out.node = used;
    else
      out.containers[key] = *used;
  }
  remember(now);
  if (!waits || std::exchange(q->second_look, true)) return q->done(out);
  q->first = std::move(now);
  loop_.after(least_window, [this, weak = std::weak_ptr{alive_}, q] {
    if (weak.lock()) look(q);
  });
}

} // namespace podium::api
