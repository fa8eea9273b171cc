#include "podium/engine_settings.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

namespace podium {
namespace {

podium::back_off_settings back_off_of(const config::back_off_settings& from) {
  // Beyond a million the second delay is the largest one already, whatever the settings are.
  auto factor = from.factor > 1 ? std::min(from.factor, 1e6) : 1.0;
  return {from.first, from.max, from.reset, std::llround(factor * 1000)};
}

} // namespace

node_settings node_settings_of(const config::settings& from) {
  node_settings out;
  out.node_name = from.node_name;
  out.labels = from.node_labels;
  out.crash_loop = back_off_of(from.crash_loop_back_off);
  out.image_pull = back_off_of(from.image_pull_back_off);
  out.image_gc = {static_cast<int32_t>(from.image_gc.high_threshold_percent),
                  static_cast<int32_t>(from.image_gc.low_threshold_percent), from.image_gc.min_age,
                  from.image_gc.period};
  out.pull_progress = from.images.progress_after;
  out.minimum_grace = from.grace.minimum;
  out.cluster_dns = config::entries_in(from.network.cluster_dns);
  out.cluster_domain = from.network.cluster_domain;
  out.allowed_unsafe_sysctls = config::entries_in(from.allowed_unsafe_sysctls);
  out.max_pods = static_cast<int32_t>(from.max_pods);
  return out;
}

std::string host_name() {
  char buffer[256] = {};
  ::gethostname(buffer, sizeof buffer - 1);
  std::string out;
  for (char* c = buffer; *c; ++c)
    out += static_cast<char>(std::tolower(static_cast<unsigned char>(*c)));
  return out.empty() ? "node" : out;
}

caf::expected<std::pair<std::string, uint16_t>> split_address(const std::string& text) {
  auto colon = text.rfind(':');
  uint16_t port = 0;
  auto* end = text.data() + text.size();
  auto host = text.substr(0, std::min(colon, text.size()));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  auto bad = colon == std::string::npos || host.empty();
  if (!bad) {
    auto [last, ec] = std::from_chars(text.data() + colon + 1, end, port);
    bad = ec != std::errc{} || last != end;
  }
  if (bad)
    return make_error(errc::bad_request,
                      "the API cannot listen on \"" + text
                          + "\": it must be ADDRESS:PORT, as in 127.0.0.1:6443 or [::1]:6443");
  return std::pair{host, port};
}

http_limits limits_of(const config::api_settings& from) {
  auto ms = [](nanoseconds d) { return std::chrono::duration_cast<std::chrono::milliseconds>(d); };
  http_limits out;
  out.max_connections = static_cast<size_t>(from.max_connections);
  out.header_bytes = static_cast<uint32_t>(from.max_header_bytes);
  out.body_bytes = static_cast<uint64_t>(from.max_body_bytes);
  out.tls_handshake = out.header_timeout = ms(from.header_timeout);
  out.body_timeout = ms(from.body_timeout);
  out.idle_timeout = ms(from.idle_timeout);
  // The other half is for pods: a full server must not keep the node from its work.
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY) return out;
  if (auto most = static_cast<size_t>(files.rlim_cur) / 2; most < out.max_connections) {
    spdlog::warn("api.maxConnections is {}, but this process may open {} files: {} connections are taken",
                 out.max_connections, files.rlim_cur, most);
    out.max_connections = most;
  }
  return out;
}

} // namespace podium
