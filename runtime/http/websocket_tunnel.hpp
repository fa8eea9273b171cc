// A byte stream inside a WebSocket: what the client's messages hold, one after the other. kubectl's
// port-forward sends SPDY so (SPDY/3.1+portforward.k8s.io).
#pragma once
#include "runtime/http/websocket.hpp"

namespace podium {

/// The stream owns the socket. How bytes were cut into messages says nothing; closing sends 1000.
std::shared_ptr<byte_stream> make_websocket_tunnel(std::shared_ptr<websocket> socket);

} // namespace podium
