// The channel protocol of exec and attach (v4 and v5.channel.k8s.io): pure parts.
#pragma once
#include "api/pod_streams.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace podium::api {

enum class channel : uint8_t { stdin_ = 0, stdout_ = 1, stderr_ = 2, status = 3, resize = 4, close = 255 };

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
