// The kernel's own header knows more of tcp_info than the C library's, and both cannot be included at once.
#include <cstdint>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace podium::detail {

uint64_t received_bytes(int socket);

uint64_t received_bytes(int socket) {
  tcp_info info{};
  socklen_t size = sizeof info;
  return ::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_bytes_received : 0;
}

} // namespace podium::detail
