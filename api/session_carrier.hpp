// What carries an exec or attach between client and server: the channels of a WebSocket or the streams of a
// SPDY connection.
#pragma once
#include "api/session_protocol.hpp"
#include "runtime/http/spdy_session.hpp"
#include "runtime/http/websocket.hpp"
#include "runtime/loop/event_loop.hpp"

namespace podium::api {

/// All calls come from the loop; on_ready may come from within start(), on_room(false) from within send().
struct carrier_events {
  std::function<void()> on_ready; ///< once, first: output can go out
  std::function<void(std::string_view)> on_stdin;
  std::function<void()> on_stdin_end;
  std::function<void(terminal_size)> on_resize;
  std::function<void(bool)> on_room; ///< false: the client does not keep up; true: it does again
  std::function<void()> on_gone;     ///< once, last
};

/// Loop thread only. Dropping it closes the connection.
class session_carrier {
public:
  virtual ~session_carrier() = default;
  virtual void start(carrier_events events) = 0;
  /// Output on channel::stdout_ or stderr_. False: wait for on_room(true).
  virtual bool send(channel to, std::string_view bytes) = 0;
  /// Says how it ended, behind all output; the connection ends.
  virtual void finish(const session_end& end) = 0;
  virtual void pause_input() = 0;
  virtual void resume_input() = 0;
};

/// The channel protocols that exec and attach speak over a WebSocket, the newest first.
const std::vector<std::string_view>& websocket_session_protocols();
std::shared_ptr<session_carrier> make_websocket_carrier(std::shared_ptr<websocket> socket,
                                                        channel_protocol protocol);

/// For the SPDY protocols, the newest first.
const std::vector<std::string_view>& spdy_session_protocols();
/// Ready when the client has opened the streams that its options ask for; given up when that takes 30 s, as
/// the kubelet does.
std::shared_ptr<session_carrier> make_spdy_carrier(event_loop& loop, std::shared_ptr<spdy_session> session,
                                                   const exec_options& options, std::string_view protocol);

} // namespace podium::api
