// HTTP and WebSocket as they come over a socket: whatever a client sends and however it is cut, a real server
// gives answers that are well formed, or none, and is done when the client is.
#include "core/error.hpp"
#include "fuzz_input.hpp"
#include "runtime/http/server.hpp"
#include "runtime/http/websocket.hpp"

#include <openssl/crypto.h>
#include <string>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

using namespace podium;

namespace {

void answer(const std::shared_ptr<http_exchange>& x) {
  auto& path = x->request().path;
  if (path == "/ws") {
    auto socket = x->accept_websocket("v5");
    if (!socket) return;
    // The echo holds the connection until it is over.
    socket->on_message(
        [socket](websocket_opcode opcode, std::string_view data) { socket->send(opcode, data); });
    socket->on_close([socket](uint16_t, std::string_view) mutable {
      if (auto last = std::exchange(socket, nullptr)) last->on_message({});
    });
    return;
  }
  if (path == "/stream") {
    x->start_stream(200, "text/plain");
    x->write_chunk(x->request().target);
    return x->end();
  }
  x->respond(200, "text/plain", x->request().method + ' ' + std::to_string(x->request().body.size()) + '\n');
}

/// One server for all inputs of a process.
class target {
public:
  target() : path_("/tmp/podium-fuzz." + std::to_string(::getpid())), server_(loop_, answer, limits()) {
    auto err = server_.listen_unix(path_);
    fuzz::require(!err, "the server listens");
  }
  ~target() { ::unlink(path_.c_str()); }

  /// Sends `pieces` of `cut` bytes, then a FIN, and returns what came back.
  std::string exchange(std::string_view text, size_t cut) const {
    auto fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    timeval patience{10, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    fuzz::require(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0,
                  "the server accepts");
    for (; !text.empty(); text.remove_prefix(std::min(cut, text.size())))
      if (::send(fd, text.data(), std::min(cut, text.size()), MSG_NOSIGNAL) < 0) break;
    ::shutdown(fd, SHUT_WR);
    std::string out;
    char buffer[65536];
    ssize_t n = 0;
    while ((n = ::recv(fd, buffer, sizeof buffer, 0)) > 0)
      out.append(buffer, static_cast<size_t>(n));
    fuzz::require(n == 0 || errno != EAGAIN, "the server is done when its client is");
    ::close(fd);
    return out;
  }

private:
  static http_limits limits() {
    http_limits out;
    out.header_bytes = 4096;
    out.body_bytes = 4096;
    out.websocket_message_bytes = 4096;
    out.watermark_bytes = 8192;
    return out;
  }
  const std::string path_;
  event_loop loop_;
  http_server server_;
};

/// The frames of a server: known opcodes, no mask, whole but for the last one.
void check_frames(std::string_view text) {
  auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  while (text.size() >= 2) {
    auto opcode = byte(0) & 0x0f;
    fuzz::require((byte(0) & 0x70) == 0 && (opcode <= 2 || (opcode >= 8 && opcode <= 10)), "a known frame");
    fuzz::require((byte(1) & 0x80) == 0, "servers do not mask");
    size_t length = byte(1), head = 2;
    auto more = length == 126 ? 2u : length == 127 ? 8u : 0u;
    if (text.size() < head + more) return;
    if (more != 0) length = 0;
    for (unsigned i = 0; i < more; ++i)
      length = length << 8 | byte(head++);
    fuzz::require(opcode < 8 || length <= 125, "control frames are short");
    if (text.size() < head + length) return;
    text.remove_prefix(head + length);
    fuzz::require(opcode != 8 || text.empty(), "nothing comes after the close");
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // OpenSSL before the server, with its configuration: what the server's thread would make of it outlives
  // that thread.
  static const int openssl = OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, nullptr);
  fuzz::require(openssl == 1, "OpenSSL starts");
  static const target server;
  fuzz::input in{data, std::min<size_t>(size, 16 * 1024)};
  auto websocket = in.choose(2) == 1;
  auto cut = size_t{in.choose(64)} * 7 + 1;
  constexpr std::string_view handshake =
      "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
      "Sec-WebSocket-Protocol: v5\r\n\r\n";
  auto got =
      server.exchange((websocket ? std::string{handshake} : std::string{}) + std::string{in.rest()}, cut);
  fuzz::require(got.empty() || got.starts_with("HTTP/1.1 "), "an answer is an answer");
  auto end = got.find("\r\n\r\n");
  fuzz::require(got.empty() || end != got.npos, "a head is whole");
  if (!websocket) return 0;
  fuzz::require(got.starts_with("HTTP/1.1 101 "), "a good handshake is taken");
  check_frames(std::string_view{got}.substr(end + 4));
  return 0;
}
