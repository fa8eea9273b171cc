// Unix sockets below directories of any depth: an address holds 107 bytes, so the directory is given as a
// descriptor.
#pragma once
#include "runtime/process/unique_fd.hpp"
#include <caf/expected.hpp>
#include <string>

namespace podium {

/// Listens at `name` in the directory `directory`. Error: errc::io.
caf::expected<unique_fd> listen_in(int directory, const std::string& name);
/// Connects a non-blocking SOCK_SEQPACKET socket to `path`. Errors: errc::io, errc::not_found: nobody listens
/// there.
caf::expected<unique_fd> connect_packets(const std::string& path);
/// The one descriptor that a peer sends over a stream socket (blocks for it no longer than a second); empty
/// if none comes.
unique_fd receive_fd(int socket);

} // namespace podium
