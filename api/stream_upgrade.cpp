#include "api/stream_upgrade.hpp"

#include "api/session_protocol.hpp"

#include <algorithm>

namespace podium::api {
namespace {

constexpr std::string_view version_header = "X-Stream-Protocol-Version";

std::string go_list(const auto& names) {
  std::string out = "[";
  for (auto& name : names)
    (out += out.size() > 1 ? " " : "") += name;
  return out + "]";
}

} // namespace

stream_transport wanted_transport(const http_request& request) {
  if (request.wants_upgrade("websocket")) return stream_transport::websocket;
  if (request.wants_upgrade("SPDY/3.1")) return stream_transport::spdy;
  return stream_transport::none;
}

failure upgrade_required() {
  return bad_request("Upgrade request required");
}

void refuse_stream(const call& c, int status, const std::string& text, const header_list& headers) {
  c.exchange->respond(status, "text/plain; charset=utf-8", text + "\n", headers);
}

std::optional<std::string> accept_channel_protocol(const call& c,
                                                   const std::vector<std::string_view>& known) {
  auto out = choose_channel_protocol(c.request().headers.get("Sec-WebSocket-Protocol"), known);
  if (out) return out;
  std::string names;
  for (auto& name : known)
    (names += names.empty() ? "" : ", ") += name;
  refuse_stream(c, 400, "none of the offered WebSocket protocols is served: " + names);
  return {};
}

std::optional<spdy_upgrade> accept_spdy(const call& c, const std::vector<std::string_view>& known) {
  std::vector<std::string> offered;
  for (auto& line : c.request().headers.get_all(version_header))
    for (auto& name : split_list(line))
      offered.push_back(std::move(name));
  if (offered.empty()) {
    refuse_stream(c, 400, "unable to upgrade: " + std::string{version_header} + " is required");
    return {};
  }
  auto chosen = std::find_if(offered.begin(), offered.end(), [&](auto& name) {
    return std::find(known.begin(), known.end(), name) != known.end();
  });
  if (chosen == offered.end()) {
    header_list accepted;
    for (auto& name : known)
      accepted.emplace_back("X-Accepted-Stream-Protocol-Versions", name);
    refuse_stream(c, 403,
                  "unable to upgrade: unable to negotiate protocol: client supports " + go_list(offered)
                      + ", server accepts " + go_list(known),
                  accepted);
    return {};
  }
  auto transport = c.exchange->accept_upgrade("SPDY/3.1", {{std::string{version_header}, *chosen}});
  if (!transport) return {};
  return spdy_upgrade{spdy_session::make(std::move(transport)), *chosen};
}

} // namespace podium::api
