// What the engine's parts are told of the settings. Pure, but for host_name() and the limit of open files.
#pragma once
#include "config/settings.hpp"
#include "core/error.hpp"
#include "messages/node_settings.hpp"
#include "runtime/http/message.hpp"

#include <string>
#include <utility>

namespace podium {

node_settings node_settings_of(const config::settings& from);

/// The machine's name in small letters; "node" when it has none.
std::string host_name();

/// "127.0.0.1:6443" or "[::1]:6443" in its parts; the address without brackets.
caf::expected<std::pair<std::string, uint16_t>> split_address(const std::string& text);

/// Bounds of the API server. Connections are at most half of the files that this process may open, with a
/// warning where that cuts what the settings ask for.
http_limits limits_of(const config::api_settings& from);

} // namespace podium
