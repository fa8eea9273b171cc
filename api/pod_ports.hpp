// What the API needs of pods for port-forward: connections to their ports. An API server without a node of
// its own has none.
#pragma once
#include <caf/error.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace podium::api {

/// All calls come on the loop thread, never from inside connect().
struct port_events {
  /// Connected. Or not: then nothing else is called, and the text is what the client is told.
  std::function<void(const caf::error&)> on_open;
  std::function<void(std::string_view)> on_data;
  /// Room for more after write() had answered false.
  std::function<void()> on_drain;
  /// The pod's side sends nothing more; after all data.
  std::function<void()> on_end;
};

/// Loop thread only. Dropping it ends the connection, and nothing is called any more.
class port_connection {
public:
  virtual ~port_connection() = default;
  /// False: the pod does not read as fast, wait for on_drain.
  virtual bool write(std::string_view bytes) = 0;
  virtual void finish_writing() = 0;
  virtual void pause() = 0;
  virtual void resume() = 0;
};

/// Loop thread only.
class pod_ports {
public:
  virtual ~pod_ports() = default;
  /// Connects to a port of the pod's own localhost, so that a program which listens there alone is reached.
  virtual std::unique_ptr<port_connection> connect(const std::string& pod_uid, uint16_t port,
                                                   port_events events) = 0;
  /// Calls `f` once, from the loop, when the pod's sandbox goes or is gone. Dropping what is returned forgets
  /// it.
  virtual std::shared_ptr<void> on_pod_end(const std::string& pod_uid, std::function<void()> f) = 0;
};

} // namespace podium::api
