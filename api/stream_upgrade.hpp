// How exec, attach and port-forward leave HTTP: by WebSocket or by SPDY/3.1, and what is said when a client
// asks for neither.
#pragma once
#include "api/call.hpp"
#include "runtime/http/spdy_session.hpp"

namespace podium::api {

enum class stream_transport : uint8_t { none, websocket, spdy };
stream_transport wanted_transport(const http_request& request);

/// The answer to a request that wants no upgrade.
failure upgrade_required();

/// A refusal of the node's side of a stream: its plain text is what kubectl prints behind "unable to upgrade
/// connection: ".
void refuse_stream(const call& c, int status, const std::string& text, const header_list& headers = {});

/// The WebSocket subprotocol of a request (choose_channel_protocol). Nothing: refused, and answered.
std::optional<std::string> accept_channel_protocol(const call& c, const std::vector<std::string_view>& known);

struct spdy_upgrade {
  std::shared_ptr<spdy_session> session;
  std::string protocol;
};
/// Switches to SPDY with the first of the client's protocols (X-Stream-Protocol-Version) that is among
/// `known`. Nothing: refused, and answered.
std::optional<spdy_upgrade> accept_spdy(const call& c, const std::vector<std::string_view>& known);

} // namespace podium::api
