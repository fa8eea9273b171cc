// One forwarded connection: bytes both ways between a client and a port of a pod, neither side faster than
// the other.
#pragma once
#include "api/pod_ports.hpp"

#include <optional>

namespace podium::api {

/// The client's half. Its calls come from the loop.
class forward_client {
public:
  virtual ~forward_client() = default;
  /// False: no room, wait for forwarded_port::room(true).
  virtual bool send(std::string_view bytes) = 0;
  /// The port sends nothing more: it ended well (empty), or why there is no connection.
  virtual void finish(std::string_view error) = 0;
  virtual void pause() = 0;
  virtual void resume() = 0;
};

struct forward_target {
  std::string pod_uid;
  uint16_t port = 0;
};

/// Loop thread only. Dropping it ends the connection.
class forwarded_port : public std::enable_shared_from_this<forwarded_port> {
public:
  /// `over` is called once, from the loop, when both sides have ended; the object may go then. Without
  /// `half_close` the client cannot say that it has ended: the port's end is the end of both.
  forwarded_port(forward_target target, std::unique_ptr<forward_client> client, bool half_close,
                 std::function<void()> over);

  void start(pod_ports& ports);
  /// From the client. Its input is paused until the port is connected.
  void write(std::string_view bytes);
  void finish_writing();
  /// The client has gone without a word.
  void abort();
  void room(bool there);

private:
  void opened(const caf::error& err);
  void port_ended();
  void check_over();

  const forward_target target_;
  const std::unique_ptr<forward_client> client_;
  const bool half_close_;
  std::function<void()> over_;
  std::unique_ptr<port_connection> connection_;
  bool port_ended_ = false, client_ended_ = false;
};

/// A port as a request names it: `unable to parse "x" as a port: …`, `port "0" must be > 0`.
struct parsed_port {
  uint16_t port = 0;
  std::string error; ///< empty when it is good
};
parsed_port parse_port(std::string_view text);

} // namespace podium::api
