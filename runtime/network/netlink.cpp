#include "runtime/network/netlink.hpp"
#include "core/error.hpp"
#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <sys/time.h>

namespace podium {

namespace {

constexpr size_t max_answer_bytes = 64 * 1'024;
constexpr int answer_timeout_seconds = 10;

caf::error refused(const std::string& what, int errnum, const std::string& detail) {
  auto text = "cannot " + what + (detail.empty() ? "" : " (" + detail + ")");
  if (errnum == ENODEV || errnum == ENOENT)
    return make_error(errc::not_found, text + ": " + std::strerror(errnum));
  if (errnum == EPERM || errnum == EACCES) text += "; the pod network needs CAP_NET_ADMIN";
  return errno_error(text, errnum);
}

// The kernel's own words for a refusal, if it has any.
std::string extended_text(const nlmsghdr& header) {
  if (!(header.nlmsg_flags & NLM_F_ACK_TLVS)) return {};
  auto* error = static_cast<const nlmsgerr*>(NLMSG_DATA(&header));
  size_t skip = sizeof(nlmsgerr);
  if (!(header.nlmsg_flags & NLM_F_CAPPED)) skip += error->msg.nlmsg_len - sizeof(nlmsghdr);
  std::string result;
  each_attribute(header, skip, [&](uint16_t type, std::span<const char> value) {
    if (type == NLMSGERR_ATTR_MSG) result = attribute_text(value);
  });
  return result;
}

} // namespace

netlink_message::netlink_message(std::string what, uint16_t type, uint16_t flags) : what_(std::move(what)) {
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  append(&header, sizeof header);
}

void netlink_message::append(const void* data, size_t size) {
  auto* p = static_cast<const char*>(data);
  bytes_.insert(bytes_.end(), p, p + size);
  bytes_.resize(NLMSG_ALIGN(bytes_.size()));
}

netlink_message& netlink_message::attribute(uint16_t type, const void* data, size_t size) {
  rtattr head{};
  head.rta_type = type;
  head.rta_len = static_cast<uint16_t>(RTA_LENGTH(size));
  append(&head, sizeof head);
  if (size) append(data, size);
  return *this;
}

netlink_message& netlink_message::text(uint16_t type, std::string_view value) {
  std::string with_end{value};
  return attribute(type, with_end.c_str(), with_end.size() + 1);
}

netlink_message& netlink_message::number32(uint16_t type, uint32_t value) {
  return attribute(type, &value, sizeof value);
}

netlink_message& netlink_message::number8(uint16_t type, uint8_t value) {
  return attribute(type, &value, sizeof value);
}

netlink_message& netlink_message::begin(uint16_t type) {
  open_.push_back(bytes_.size());
  return attribute(static_cast<uint16_t>(type | NLA_F_NESTED), nullptr, 0);
}

netlink_message& netlink_message::end() {
  auto start = open_.back();
  open_.pop_back();
  rtattr head{};
  std::memcpy(&head, bytes_.data() + start, sizeof head);
  head.rta_len = static_cast<uint16_t>(bytes_.size() - start);
  std::memcpy(bytes_.data() + start, &head, sizeof head);
  return *this;
}

bool netlink_message::acknowledged() const {
  nlmsghdr header{};
  std::memcpy(&header, bytes_.data(), sizeof header);
  return header.nlmsg_flags & NLM_F_ACK;
}

std::span<char> netlink_message::finish(uint32_t sequence) {
  nlmsghdr header{};
  std::memcpy(&header, bytes_.data(), sizeof header);
  header.nlmsg_len = static_cast<uint32_t>(bytes_.size());
  header.nlmsg_seq = sequence;
  std::memcpy(bytes_.data(), &header, sizeof header);
  return bytes_;
}

caf::expected<netlink_socket> netlink_socket::open() {
  netlink_socket result;
  result.fd_.reset(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!result.fd_) return errno_error("cannot open a netlink socket", errno);
  int on = 1;
  ::setsockopt(result.fd_.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  ::setsockopt(result.fd_.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  timeval limit{.tv_sec = answer_timeout_seconds, .tv_usec = 0};
  ::setsockopt(result.fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  return result;
}

caf::error netlink_socket::receive(std::vector<char>& buffer, size_t& size) {
  buffer.resize(max_answer_bytes);
  while (true) {
    auto n = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("the kernel does not answer on netlink", errno);
    size = static_cast<size_t>(n);
    return {};
  }
}

caf::error netlink_socket::run(std::span<netlink_message> requests, int ignored) {
  std::vector<char> out;
  auto first = sequence_ + 1;
  for (auto& request : requests) {
    auto bytes = request.finish(++sequence_);
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
  if (::send(fd_.get(), out.data(), out.size(), 0) < 0) return errno_error("cannot send on netlink", errno);
  caf::error result;
  std::vector<char> buffer;
  for (size_t open = requests.size(); open > 0;) {
    size_t size = 0;
    if (auto err = receive(buffer, size)) return err;
    auto left = static_cast<int>(size);
    for (auto* h = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
      auto place = h->nlmsg_seq - first;
      if (h->nlmsg_type != NLMSG_ERROR || place >= requests.size()) continue;
      --open;
      auto errnum = -static_cast<nlmsgerr*>(NLMSG_DATA(h))->error;
      if (errnum != 0 && errnum != ignored && !result)
        result = refused(requests[place].what(), errnum, extended_text(*h));
    }
  }
  return result;
}

caf::error netlink_socket::dump(netlink_message request, const std::function<void(const nlmsghdr&)>& each) {
  auto bytes = request.finish(++sequence_);
  if (::send(fd_.get(), bytes.data(), bytes.size(), 0) < 0)
    return errno_error("cannot send on netlink", errno);
  std::vector<char> buffer;
  while (true) {
    size_t size = 0;
    if (auto err = receive(buffer, size)) return err;
    auto left = static_cast<int>(size);
    for (auto* h = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
      if (h->nlmsg_seq != sequence_) continue;
      if (h->nlmsg_type == NLMSG_DONE) return {};
      if (h->nlmsg_type == NLMSG_ERROR) {
        auto errnum = -static_cast<nlmsgerr*>(NLMSG_DATA(h))->error;
        return errnum == 0 ? caf::error{} : refused(request.what(), errnum, extended_text(*h));
      }
      each(*h);
      if (!(h->nlmsg_flags & NLM_F_MULTI)) return {};
    }
  }
}

caf::expected<int> netlink_socket::index_of(const std::string& name) {
  int index = 0;
  netlink_message request{"find the link " + name, RTM_GETLINK, 0};
  request.header(ifinfomsg{}).text(IFLA_IFNAME, name);
  auto err = dump(std::move(request), [&](const nlmsghdr& h) {
    index = static_cast<const ifinfomsg*>(NLMSG_DATA(&h))->ifi_index;
  });
  if (err) return err;
  return index;
}

void each_attribute(const nlmsghdr& message, size_t fixed_size,
                    const std::function<void(uint16_t, std::span<const char>)>& each) {
  auto* data = static_cast<const char*>(NLMSG_DATA(&message)) + NLMSG_ALIGN(fixed_size);
  auto* end = reinterpret_cast<const char*>(&message) + message.nlmsg_len;
  if (data >= end) return;
  auto left = static_cast<int>(end - data);
  for (auto* a = reinterpret_cast<const rtattr*>(data); RTA_OK(a, left); a = RTA_NEXT(a, left))
    each(static_cast<uint16_t>(a->rta_type & ~NLA_F_NESTED),
         {static_cast<const char*>(RTA_DATA(a)), RTA_PAYLOAD(a)});
}

std::string attribute_text(std::span<const char> value) {
  return {value.data(), ::strnlen(value.data(), value.size())};
}

} // namespace podium
