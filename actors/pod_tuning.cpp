#include "actors/pod_tuning.hpp"

#include "actors/container_kinds.hpp"

#include <charconv>

namespace podium {
namespace {

constexpr nanoseconds shortest_period = std::chrono::milliseconds{10};
constexpr nanoseconds longest = std::chrono::hours{24};
constexpr int64_t largest_factor = 1000;

/// `key=value` parts between commas; false where a part is none.
template <class F>
bool each_part(std::string_view text, F take) {
  while (true) {
    auto comma = text.find(',');
    auto part = text.substr(0, comma);
    while (part.starts_with(' '))
      part.remove_prefix(1);
    auto equals = part.find('=');
    if (equals == std::string_view::npos || !take(part.substr(0, equals), part.substr(equals + 1)))
      return false;
    if (comma == std::string_view::npos) return true;
    text.remove_prefix(comma + 1);
  }
}

bool read_duration(std::string_view text, nanoseconds least, nanoseconds& out) {
  auto d = parse_go_duration(text);
  if (!d || *d < least || *d > longest) return false;
  out = *d;
  return true;
}

bool read_factor(std::string_view text, int64_t& thousandths) {
  double factor = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), factor);
  if (ec != std::errc{} || end != text.data() + text.size()) return false;
  if (!(factor >= 1) || factor > static_cast<double>(largest_factor)) return false;
  thousandths = static_cast<int64_t>(factor * 1000 + 0.5);
  return true;
}

bool read_back_off(std::string_view text, back_off_settings& out) {
  return each_part(text, [&](std::string_view key, std::string_view value) {
    if (key == "first") return read_duration(value, std::chrono::milliseconds{1}, out.first);
    if (key == "max") return read_duration(value, std::chrono::milliseconds{1}, out.max);
    if (key == "reset") return read_duration(value, std::chrono::milliseconds{1}, out.reset);
    return key == "factor" && read_factor(value, out.factor_thousandths);
  });
}

const std::optional<probe_spec>* probe_of(const container_spec& c, std::string_view name, probe_kind& kind) {
  for (auto k : {probe_kind::liveness, probe_kind::readiness, probe_kind::startup}) {
    if (to_string(k) != name) continue;
    kind = k;
    return k == probe_kind::liveness    ? &c.liveness_probe
           : k == probe_kind::readiness ? &c.readiness_probe
                                        : &c.startup_probe;
  }
  return nullptr;
}

bool read_periods(const pod_spec& spec, std::string_view text, pod_tuning& out) {
  return each_part(text, [&](std::string_view key, std::string_view value) {
    auto dot = key.rfind('.');
    if (dot == std::string_view::npos) return false;
    auto found = find_container(spec, key.substr(0, dot));
    auto kind = probe_kind::liveness;
    auto* probe = found ? probe_of(*found.spec, key.substr(dot + 1), kind) : nullptr;
    if (!probe || !*probe) return false;
    return read_duration(value, shortest_period, out.periods[{found.spec->name, kind}]);
  });
}

} // namespace

nanoseconds pod_tuning::period_of(const std::string& container, probe_kind kind) const {
  auto i = periods.find({container, kind});
  return i == periods.end() ? nanoseconds{0} : i->second;
}

pod_tuning tuning_of(const pod& p, const back_off_settings& defaults) {
  pod_tuning out;
  out.crash_loop = defaults;
  auto& notes = p.metadata.annotations;
  if (auto i = notes.find(std::string{back_off_annotation}); i != notes.end())
    if (!read_back_off(i->second, out.crash_loop)) {
      out.crash_loop = defaults;
      out.faults.push_back(std::string{back_off_annotation} + ": \"" + i->second.substr(0, 256)
                           + "\" is not of the form first=10s,factor=2,max=5m,reset=10m, with durations from "
                             "1ms to 24h and a factor from 1 to 1000");
    }
  if (auto i = notes.find(std::string{probe_period_annotation}); i != notes.end())
    if (!read_periods(p.spec, i->second, out)) {
      out.periods.clear();
      out.faults.push_back(std::string{probe_period_annotation} + ": \"" + i->second.substr(0, 256)
                           + "\" is not of the form container.liveness=200ms,container.readiness=1s, with "
                             "probes that the pod has and periods from 10ms to 24h");
    }
  return out;
}

} // namespace podium
