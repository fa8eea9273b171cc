// A WebSocket client for what only ever comes from the server: frames as they are.
#pragma once
#include "tests/api/api_world.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace podium::test {

class raw_websocket {
public:
  /// A plain HTTP handshake; an empty `protocol` offers none. Reads give up after ten seconds.
  raw_websocket(uint16_t port, const std::string& path, const std::string& protocol)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    timeval patience{10, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    BOOST_REQUIRE(::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
    auto request = "GET " + path + " HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                   + (protocol.empty() ? "" : "Sec-WebSocket-Protocol: " + protocol + "\r\n") + "\r\n";
    BOOST_REQUIRE(::send(fd_, request.data(), request.size(), MSG_NOSIGNAL)
                  == static_cast<ssize_t>(request.size()));
    while (input_.find("\r\n\r\n") == std::string::npos && read_more()) {
    }
    auto end = input_.find("\r\n\r\n");
    head = input_.substr(0, end);
    input_.erase(0, end == std::string::npos ? end : end + 4);
  }
  ~raw_websocket() { ::close(fd_); }
  raw_websocket(const raw_websocket&) = delete;
  raw_websocket& operator=(const raw_websocket&) = delete;

  struct frame {
    int opcode = -1; ///< -1: none came
    std::string data;
  };
  frame next() {
    if (!have(2)) return {};
    int opcode = input_[0] & 0x0f;
    size_t size = input_[1] & 0x7f, head_size = 2;
    if (size >= 126) {
      head_size = size == 126 ? 4 : 10;
      if (!have(head_size)) return {};
      size = 0;
      for (size_t i = 2; i < head_size; ++i)
        size = size << 8 | static_cast<unsigned char>(input_[i]);
    }
    if (!have(head_size + size)) return {};
    frame out{opcode, input_.substr(head_size, size)};
    input_.erase(0, head_size + size);
    return out;
  }

  std::string head; ///< of the answer

private:
  bool have(size_t count) {
    while (input_.size() < count)
      if (!read_more()) return false;
    return true;
  }
  bool read_more() {
    char buffer[4096];
    auto got = ::recv(fd_, buffer, sizeof buffer, 0);
    if (got > 0) input_.append(buffer, static_cast<size_t>(got));
    return got > 0;
  }

  const int fd_;
  std::string input_;
};

} // namespace podium::test
