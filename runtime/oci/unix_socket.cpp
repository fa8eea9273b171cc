#include "runtime/oci/unix_socket.hpp"

#include "core/error.hpp"
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace podium {
namespace {

caf::expected<sockaddr_un> address_in(int directory, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  auto path = "/proc/self/fd/" + std::to_string(directory) + "/" + name;
  if (path.size() >= sizeof address.sun_path)
    return make_error(errc::io, "the socket name " + name + " is too long");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

} // namespace

caf::expected<unique_fd> listen_in(int directory, const std::string& name) {
  auto address = address_in(directory, name);
  if (!address) return address.error();
  unique_fd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!socket) return errno_error("socket", errno);
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&*address), sizeof *address) != 0
      || ::listen(socket.get(), 1) != 0)
    return errno_error("cannot listen at " + name, errno);
  return socket;
}

caf::expected<unique_fd> connect_packets(const std::string& path) {
  auto slash = path.rfind('/');
  unique_fd directory{::open(path.substr(0, slash).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  auto failed = [&](const std::string& what) {
    bool nobody = errno == ENOENT || errno == ECONNREFUSED;
    return nobody ? make_error(errc::not_found, "nobody listens at " + path)
                  : errno_error(what + path, errno);
  };
  if (!directory) return failed("");
  auto address = address_in(directory.get(), path.substr(slash + 1));
  if (!address) return address.error();
  unique_fd socket{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!socket) return errno_error("socket", errno);
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&*address), sizeof *address) != 0)
    return failed("cannot connect to ");
  return socket;
}

unique_fd receive_fd(int socket) {
  char text[256];
  iovec io{text, sizeof text};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (::recvmsg(socket, &message, MSG_CMSG_CLOEXEC) <= 0) return unique_fd{};
  auto* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
    return unique_fd{};
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return unique_fd{fd};
}

} // namespace podium
