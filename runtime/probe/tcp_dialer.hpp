// TCP connections of probes. The kernel shakes hands with a pod of this machine while connect() is called, so
// that the usual one is done without a turn of the loop.
#pragma once
#include "runtime/loop/event_loop.hpp"
#include "runtime/process/unique_fd.hpp"
#include <chrono>
#include <functional>
#include <set>
#include <string>

namespace podium {

/// Loop thread only.
class tcp_dialer {
public:
  struct result {
    unique_fd socket;  ///< connected and not blocking; none: `error` says why
    std::string error; ///< as Go's dialer puts it: "dial tcp 10.0.0.1:80: connect: connection refused"
    bool timed_out = false;
  };
  using answer = std::function<void(result)>;

  explicit tcp_dialer(event_loop& loop) : loop_(loop) {}
  ~tcp_dialer() { stop(); }
  tcp_dialer(const tcp_dialer&) = delete;
  tcp_dialer& operator=(const tcp_dialer&) = delete;

  /// Connects to an address, or to the first one of a name. `done` is called once, maybe from inside.
  void dial(const std::string& host, int port, std::chrono::nanoseconds timeout, answer done);
  /// What is under way is not answered.
  void stop();

private:
  struct attempt;
  /// False: it is over, and has been answered.
  bool connect(attempt* a, const void* address);
  void finish(attempt* a, int error);
  void fail(attempt* a, std::string error, bool timed_out);
  void close(attempt* a);

  event_loop& loop_;
  std::set<attempt*> attempts_;
};

/// An errno's text as Go prints it.
std::string dial_reason(int errnum);
/// Whether a host is the number of an address.
bool is_address(const std::string& host);
/// A host as it stands before a port: IPv6 addresses get brackets.
std::string with_brackets(const std::string& host);

} // namespace podium
