#include "api/node_ports.hpp"

#include "core/error.hpp"
#include "runtime/network/pod_dialer.hpp"
#include "runtime/oci/oci_runtime.hpp"
#include "runtime/process/fd_stream.hpp"

namespace podium::api {
namespace {

/// Bytes that may wait for a pod that does not read.
constexpr size_t write_watermark_bytes = 256 * 1024;

class node_connection : public port_connection {
public:
  node_connection(event_loop& loop, port_events events, std::shared_ptr<size_t> open)
      : loop_(loop), events_(std::make_shared<port_events>(std::move(events))), open_(std::move(open)) {
    ++*open_;
  }
  ~node_connection() override { --*open_; }

  /// Says so from the loop.
  void refuse(caf::error why) {
    loop_.post([weak = std::weak_ptr{events_}, why = std::move(why)] {
      if (auto e = weak.lock()) e->on_open(why);
    });
  }
  void connect(pod_dialer& dialer, const std::string& netns, const std::string& pod_uid, uint16_t port) {
    attempt_ = dialer.connect(netns, port, [this, netns, pod_uid, port](caf::expected<unique_fd> fd) {
      // The attempt is ours, and so are we as long as it calls.
      auto keep = events_;
      if (fd) return connected(std::move(*fd));
      keep->on_open(make_error(code_of(fd.error()),
                               "failed to execute portforward in network namespace \"" + netns
                                   + "\": failed to connect to localhost:" + std::to_string(port)
                                   + " inside namespace \"" + pod_uid + "\", " + message_of(fd.error())));
    });
  }

  bool write(std::string_view bytes) override {
    if (!stream_) return false;
    stream_->write(std::string{bytes});
    return stream_->queued_bytes() < write_watermark_bytes;
  }
  void finish_writing() override {
    if (stream_) stream_->finish_writing();
  }
  void pause() override {
    if (stream_) stream_->pause();
  }
  void resume() override {
    if (stream_) stream_->resume();
  }

private:
  void connected(unique_fd fd) {
    stream_ = std::make_unique<fd_stream>(loop_, std::move(fd), fd_stream::kind::socket);
    std::weak_ptr<port_events> weak = events_;
    stream_->on_drain([weak] {
      if (auto e = weak.lock()) e->on_drain();
    });
    stream_->read(
        [weak](std::string_view bytes) {
          if (auto e = weak.lock()) e->on_data(bytes);
        },
        [weak] {
          if (auto e = weak.lock()) e->on_end();
        });
    auto keep = events_;
    keep->on_open({}); // we may be gone afterwards
  }

  event_loop& loop_;
  std::shared_ptr<port_events> events_;
  const std::shared_ptr<size_t> open_;
  std::shared_ptr<void> attempt_;
  std::unique_ptr<fd_stream> stream_;
};

class node_ports : public pod_ports {
public:
  node_ports(event_loop& loop, oci_runtime& runtime) : loop_(loop), runtime_(runtime), dialer_(loop) {}

  std::unique_ptr<port_connection> connect(const std::string& pod_uid, uint16_t port,
                                           port_events events) override {
    auto one = std::make_unique<node_connection>(loop_, std::move(events), open_);
    auto netns = runtime_.network_namespace(pod_uid);
    if (!netns)
      one->refuse(std::move(netns.error()));
    else if (*open_ > max_port_connections)
      one->refuse(
          make_error(errc::too_many_requests, "too many connections into pods are open on this node"));
    else
      one->connect(dialer_, *netns, pod_uid, port);
    return one;
  }
  std::shared_ptr<void> on_pod_end(const std::string& pod_uid, std::function<void()> f) override {
    auto shared = std::make_shared<std::function<void()>>(std::move(f));
    auto id = runtime_.when_sandbox_ends(pod_uid, [weak = std::weak_ptr{shared}] {
      if (auto call = weak.lock()) (*call)();
    });
    return std::shared_ptr<void>(shared.get(), [&runtime = runtime_, shared, pod_uid, id](void*) mutable {
      runtime.forget_sandbox_end(pod_uid, id);
      shared.reset();
    });
  }

private:
  event_loop& loop_;
  oci_runtime& runtime_;
  pod_dialer dialer_;
  const std::shared_ptr<size_t> open_ = std::make_shared<size_t>(0);
};

} // namespace

std::shared_ptr<pod_ports> make_node_ports(event_loop& loop, oci_runtime& runtime) {
  return std::make_shared<node_ports>(loop, runtime);
}

} // namespace podium::api
