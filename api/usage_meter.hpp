// From counters to rates: what was used between two looks at them. Nothing is read unless somebody asks.
#pragma once
#include "api/usage.hpp"
#include "core/time.hpp"
#include "runtime/loop/event_loop.hpp"

#include <map>
#include <memory>

namespace podium::api {

/// What was used.
struct usage_rate {
  int64_t cpu_nanocores = 0, memory_bytes = 0;
  nanoseconds window{0}; ///< the time the cpu's rate is of
};

struct measured_usage {
  std::optional<usage_rate> node;
  std::map<usage_target, usage_rate> containers; ///< those that ran all through the window
};

/// Loop thread only. A rate is taken since the last time somebody asked, if that was between one second and
/// two minutes ago; else the answer comes after a second look, one second later.
class usage_meter {
public:
  static constexpr std::chrono::seconds least_window{1}, longest_window{120};

  usage_meter(event_loop& loop, std::shared_ptr<usage_source> source);
  ~usage_meter();

  using answer = std::function<void(const measured_usage&)>;
  /// `done` is called on the loop thread, unless the meter ends before.
  void measure(std::vector<usage_target> targets, answer done);
  const std::string& node_name() const { return source_->node_name(); }

private:
  struct mark {
    std::chrono::steady_clock::time_point at;
    usage_counters counters;
  };
  using mark_table = std::map<usage_target, mark>; ///< the node's is under the empty target
  struct question {
    std::vector<usage_target> targets;
    answer done;
    mark_table first; ///< its own first look, when there was need of a second
    bool second_look = false;
  };

  static mark_table marks_of(const question& q, const usage_reading& r);
  static std::optional<usage_rate> rate(const mark_table& before, const usage_target& key, const mark& now,
                                        nanoseconds least);
  void look(std::shared_ptr<question> q);
  void looked(const std::shared_ptr<question>& q, const usage_reading& r);
  void remember(const mark_table& now);

  event_loop& loop_;
  const std::shared_ptr<usage_source> source_;
  mark_table marks_; ///< what the last askers saw
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

} // namespace podium::api
