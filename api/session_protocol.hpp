// The channel protocols of exec, attach and port-forward over WebSocket: pure parts.
#pragma once
#include "api/pod_streams.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace podium::api {

enum class channel : uint8_t { stdin_ = 0, stdout_ = 1, stderr_ = 2, status = 3, resize = 4, close = 255 };

/// What a subprotocol's name says of its messages.
struct channel_protocol {
  bool text = false;       ///< base64.channel.k8s.io: text messages, the channel's digit and base64
  bool has_status = false; ///< from v4 on a Status says how it ended; before, a failure's words alone
};
/// "" is what a client speaks that names none: channel.k8s.io. Source: wsstream.
channel_protocol channel_protocol_of(std::string_view name);

/// The first protocol of the client's list that is among `known`; "" when it names none at all, nothing when
/// it knows none of these.
std::optional<std::string> choose_channel_protocol(std::string_view offered,
                                                   const std::vector<std::string_view>& known);

/// A message for a channel, in the protocol's form; text has room for channels below 80.
std::string channel_message(const channel_protocol& p, uint8_t to, std::string_view bytes);
/// A client's message in the binary form, the channel's number in front; `room` holds what was decoded.
/// Nothing for what is no base64.
std::optional<std::string_view> binary_message(const channel_protocol& p, std::string_view message,
                                               std::string& room);

/// A client's frame: its first byte is the channel.
struct channel_frame {
  channel to = channel::stdin_;
  std::string_view data;
};
/// Nothing for empty frames and channels that clients do not write to.
std::optional<channel_frame> parse_frame(std::string_view message);

struct terminal_size {
  uint16_t width = 0, height = 0;
};
/// Reads {"Width":80,"Height":24}; nothing for what makes no terminal.
std::optional<terminal_size> parse_resize(std::string_view text);

/// The Status that goes over the status channel.
std::string session_status(const session_end& end);
/// What clients older than the Status get there: why it failed, nothing when it did not.
std::string session_failure(const session_end& end);

} // namespace podium::api
