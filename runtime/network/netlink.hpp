// Route netlink: requests are built, sent and answered without any other program. Blocks for microseconds; a
// socket acts on the network namespace in which it was opened, whichever thread uses it.
#pragma once
#include "runtime/process/unique_fd.hpp"
#include <caf/expected.hpp>
#include <cstdint>
#include <functional>
#include <linux/rtnetlink.h>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace podium {

/// One request. `what` completes "cannot …" in an error.
class netlink_message {
public:
  netlink_message(std::string what, uint16_t type, uint16_t flags);

  /// Appends a fixed part, such as ifinfomsg.
  template <class T>
  netlink_message& header(const T& part) {
    append(&part, sizeof part);
    return *this;
  }
  netlink_message& attribute(uint16_t type, const void* data, size_t size);
  netlink_message& text(uint16_t type, std::string_view value);
  netlink_message& number32(uint16_t type, uint32_t value);
  netlink_message& number8(uint16_t type, uint8_t value);
  /// Opens an attribute that holds others; end() closes the innermost.
  netlink_message& begin(uint16_t type);
  netlink_message& end();

  const std::string& what() const { return what_; }
  bool acknowledged() const;
  std::span<char> finish(uint32_t sequence);

private:
  void append(const void* data, size_t size);

  std::string what_;
  std::vector<char> bytes_;
  std::vector<size_t> open_;
};

class netlink_socket {
public:
  /// Opens a socket in the calling thread's network namespace.
  static caf::expected<netlink_socket> open();

  /// Sends all requests at once and waits for each one's acknowledgement; the first failure, but for those
  /// whose errno is `ignored` (EEXIST, ENODEV, …). What comes after a failed request is done all the same.
  caf::error run(std::span<netlink_message> requests, int ignored = 0);
  caf::error run(netlink_message request, int ignored = 0) { return run(std::span{&request, 1}, ignored); }
  /// Sends a dump request and gives each answer's message to `each`.
  caf::error dump(netlink_message request, const std::function<void(const nlmsghdr&)>& each);

  /// A link's index. Error errc::not_found.
  caf::expected<int> index_of(const std::string& name);

private:
  caf::error receive(std::vector<char>& buffer, size_t& size);

  unique_fd fd_;
  uint32_t sequence_ = 0;
};

/// Walks the attributes behind a message's fixed part.
void each_attribute(const nlmsghdr& message, size_t fixed_size,
                    const std::function<void(uint16_t type, std::span<const char> value)>& each);

/// The text of a string attribute, without its end marker.
std::string attribute_text(std::span<const char> value);

} // namespace podium
