#include "runtime/http/server.hpp"

#include "core/error.hpp"
#include "runtime/http/server_core.hpp"

#include <csignal>
#include <future>

namespace podium {

http_server::http_server(event_loop& loop, http_handler handler, http_limits limits)
    : loop_(loop), core_(std::make_shared<http_detail::server_core>(loop, std::move(handler), limits)) {
  // A peer that is gone is an error of the write, not the end of the process.
  struct sigaction current {};
  if (sigaction(SIGPIPE, nullptr, &current) == 0 && current.sa_handler == SIG_DFL) signal(SIGPIPE, SIG_IGN);
  loop_.run([this] {
    core_->start();
    loop_.at_stop([weak = std::weak_ptr{core_}] {
      if (auto core = weak.lock()) core->stop({});
    });
  });
}

http_server::~http_server() {
  if (loop_.in_loop_thread()) {
    stop();
    return;
  }
  // Callbacks hold the owner's state: it must not go before them.
  std::promise<void> closed;
  if (loop_.run([&] { core_->stop([&] { closed.set_value(); }); })) closed.get_future().wait();
}

void http_server::set_gate(http_gate gate) {
  loop_.run([&] { core_->gate = std::move(gate); });
}

void http_server::set_refusal(http_refusal refusal) {
  loop_.run([&] { core_->refusal = std::move(refusal); });
}

caf::expected<uint16_t> http_server::listen_tcp(const std::string& ip, uint16_t port,
                                                std::shared_ptr<tls_context> tls) {
  caf::expected<uint16_t> result = make_error(errc::unavailable, "the event loop has ended");
  loop_.run([&] { result = core_->listen_tcp(ip, port, std::move(tls)); });
  return result;
}

caf::error http_server::listen_unix(const std::string& path, unsigned mode) {
  auto result = make_error(errc::unavailable, "the event loop has ended");
  loop_.run([&] { result = core_->listen_unix(path, mode); });
  return result;
}

void http_server::stop(std::function<void()> done) {
  // After the loop's end everything is closed already.
  loop_.run([&] { core_->stop(std::move(done)); });
}

http_stats http_server::stats() const {
  http_stats result;
  loop_.run([&] { result = core_->stats; });
  return result;
}

} // namespace podium
