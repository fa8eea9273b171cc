// Validation of probes and of what they and hooks do.
#include "config/judged.hpp"

namespace podium::config {
namespace {

void validate_port(const judged& action) {
  const auto& port = action.value("port");
  if (port.is_string())
    action.out().invalid(action.at("port"), port, check_port_name(port.get_string()));
  else
    action.out().invalid(action.at("port"), action.number("port"), check_port_number(action.number("port")));
}

void validate_exec(const judged& action, const pod_facts&) {
  if (action.list("command").empty()) action.out().required(action.at("command"));
}

void validate_http_get(const judged& action, const pod_facts&) {
  action.needs("path");
  validate_port(action);
  action.choice("scheme", {"HTTP", "HTTPS"}, true);
  action.each("httpHeaders", [&](const judged& header, size_t) {
    auto name = header.text("name");
    action.out().invalid(action.at("httpHeaders"), json::value(name), check_header_name(name));
  });
}

void validate_socket(const judged& action, const pod_facts&) {
  validate_port(action);
}

void validate_sleep(const judged& action, const pod_facts& facts) {
  auto seconds = action.number("seconds");
  if (facts.grace_seconds && (seconds <= 0 || seconds > *facts.grace_seconds))
    action.out().invalid(
        action.path(), seconds,
        "must be greater than 0 and less than terminationGracePeriodSeconds ("
            + std::to_string(*facts.grace_seconds)
            + "). Enable AllowPodLifecycleSleepActionZeroValue feature gate for zero sleep.");
}

struct handler_row {
  std::string_view name;
  bool in_probes, in_hooks;
  void (*judge)(const judged&, const pod_facts&);
};

constexpr handler_row handlers[] = {
    {"exec", true, true, validate_exec},        {"httpGet", true, true, validate_http_get},
    {"tcpSocket", true, true, validate_socket}, {"grpc", true, false, validate_socket},
    {"sleep", false, true, validate_sleep},
};

} // namespace

void validate_handler(const judged& handler, bool is_probe, const pod_facts& facts) {
  size_t found = 0;
  for (const auto& row : handlers)
    if (is_probe ? row.in_probes : row.in_hooks)
      handler.with(row.name, [&](const judged& action) {
        if (++found > 1)
          handler.forbidden(row.name, "may not specify more than 1 handler type");
        else
          row.judge(action, facts);
      });
  if (found == 0) handler.out().required(handler.path(), "must specify a handler type");
}

void validate_probe(const judged& probe, const pod_facts& facts) {
  validate_handler(probe, true, facts);
  for (auto key :
       {"initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"})
    probe.not_negative(key);
  if (probe.has("terminationGracePeriodSeconds") && probe.number("terminationGracePeriodSeconds") <= 0)
    probe.invalid("terminationGracePeriodSeconds", "must be greater than 0");
}

} // namespace podium::config
