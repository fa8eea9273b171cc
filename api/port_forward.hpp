// pods/portforward, by its three ways: SPDY over TCP, SPDY inside a WebSocket, and the channels of a
// WebSocket. Internal to api/.
#pragma once
#include "api/call.hpp"
#include "api/forwarded_port.hpp"
#include "api/session_protocol.hpp"
#include "runtime/http/spdy_session.hpp"
#include "runtime/http/websocket.hpp"

namespace podium::api {

/// What every forwarding is while it is open: counted, ended with the server and with the pod.
class forwarding : public std::enable_shared_from_this<forwarding> {
public:
  forwarding(std::shared_ptr<server_state> state, std::string pod_uid)
      : state_(std::move(state)), pod_uid_(std::move(pod_uid)) {}
  virtual ~forwarding() = default;
  void start();

protected:
  /// Sets the callbacks of the connection.
  virtual void begin() = 0;
  /// Closes the connection; leave() follows.
  virtual void end() = 0;
  /// The connection is gone.
  void leave();
  /// Drops `what` when the loop has come round: it may be what is calling.
  void drop_later(std::shared_ptr<void> what);

  pod_ports& ports() { return *state_->parts.ports; }
  event_loop& loop() { return state_->parts.loop; }
  const std::string& pod_uid() const { return pod_uid_; }

private:
  const std::shared_ptr<server_state> state_;
  const std::string pod_uid_;
  std::shared_ptr<void> pod_end_;
  bool left_ = false;
};

/// portforward.k8s.io: for each connection an error and a data stream, paired by their header `requestid`.
std::shared_ptr<forwarding> make_spdy_forwarding(std::shared_ptr<server_state> state, std::string pod_uid,
                                                 std::shared_ptr<spdy_session> session);

/// The channel protocols: channel 2i is the i-th port's data, 2i + 1 its error; one connection a port.
std::shared_ptr<forwarding> make_channel_forwarding(std::shared_ptr<server_state> state, std::string pod_uid,
                                                    std::shared_ptr<websocket> socket,
                                                    channel_protocol protocol, std::vector<uint16_t> ports);

} // namespace podium::api
