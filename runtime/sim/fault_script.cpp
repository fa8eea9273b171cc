#include "runtime/sim/fault_script.hpp"
#include "runtime/sim/glob.hpp"

namespace podium {

fault_rule nth_message(uint64_t n, fault_rule rule) {
  rule.skip = n > 0 ? n - 1 : 0;
  rule.count = 1;
  return rule;
}

fault_script::fault_script(uint64_t seed, std::vector<fault_rule> rules, std::function<clock_time()> now)
    : rules_(std::move(rules)), now_(std::move(now)) {
  random_stream root{seed};
  for (size_t i = 0; i < rules_.size(); ++i)
    state_.push_back({root.fork("fault/" + std::to_string(i))});
}

fault_verdict fault_script::judge(std::string_view receiver, const caf::mailbox_element& element) const {
  auto name = names_.of(element);
  for (size_t i = 0; i < rules_.size(); ++i) {
    auto& rule = rules_[i];
    auto& state = state_[i];
    if (!glob_match(rule.receiver, receiver) || !glob_match(rule.message, name)
        || !glob_match(rule.sender, sender_path(element.sender)))
      continue;
    if (now_ && (now_() < rule.from || now_() >= rule.until)) continue;
    auto place = state.matched++;
    if (place < rule.skip || place - rule.skip >= rule.count) continue;
    if (state.draws.below(1'000'000) >= rule.per_million) continue;
    ++state.met;
    auto delay = rule.delay;
    if (rule.delay_max > delay)
      delay += nanoseconds{state.draws.below(static_cast<uint64_t>((rule.delay_max - delay).count()) + 1)};
    return {rule.what, delay};
  }
  return {};
}

} // namespace podium
