#include "api/node_streams.hpp"

#include "runtime/oci/container_streams.hpp"

namespace podium::api {
namespace {

using connection = std::shared_ptr<container_stream>;

/// Input that may wait for a command that does not read it.
constexpr size_t stdin_watermark_bytes = 256 * 1024;

class node_log : public log_reading {
public:
  /// What is told to the API; dropped with the reading, so that nothing is said after it.
  struct teller {
    log_events events;
    bool opened = false;

    void open(const caf::error& err = {}) {
      if (!std::exchange(opened, true)) events.on_open(err);
    }
  };

  node_log(event_loop& loop, container_streams& streams, const container_target& target,
           const log_request& request, log_events events)
      : teller_(std::make_shared<teller>(teller{std::move(events)})) {
    std::weak_ptr<teller> weak = teller_;
    stream_events from;
    from.out = [weak](std::string_view data) {
      auto t = weak.lock();
      if (!t) return;
      t->open();
      t->events.on_data(data);
    };
    from.ended = [weak](const caf::expected<int>& end) {
      auto t = weak.lock();
      if (!t) return;
      if (!end && !t->opened) return t->open(end.error());
      t->open();
      t->events.on_end();
    };
    auto stream = streams.logs(target.pod_uid, target.container, request, std::move(from));
    if (stream) stream_ = std::move(*stream);
    // A log that is followed may have nothing to say for long: its headers go out now.
    loop.post([weak, err = stream ? caf::error{} : stream.error()] {
      if (auto t = weak.lock()) t->open(err);
    });
  }
  ~node_log() override {
    teller_.reset();
    if (stream_) stream_->close();
  }
  void pause() override {
    if (stream_) stream_->pause();
  }
  void resume() override {
    if (stream_) stream_->resume();
  }

private:
  std::shared_ptr<teller> teller_;
  connection stream_;
};

class node_session : public pod_session {
public:
  using starter = std::function<container_streams::stream(stream_events)>;

  node_session(event_loop& loop, const exec_options& options, session_events events, const starter& start)
      : events_(std::make_shared<session_events>(std::move(events))) {
    std::weak_ptr<session_events> weak = events_;
    auto output = [weak](int channel) {
      return [weak, channel](std::string_view data) {
        if (auto e = weak.lock()) e->on_output(channel, data);
      };
    };
    stream_events from;
    if (options.stdout_) from.out = output(1);
    if (options.stderr_) from.err = output(2);
    from.drained = [weak] {
      if (auto e = weak.lock()) e->on_drain();
    };
    from.ended = [weak](const caf::expected<int>& end) {
      if (auto e = weak.lock()) e->on_end(end ? session_end{*end, {}} : session_end{0, end.error()});
    };
    auto stream = start(std::move(from));
    if (stream) {
      stream_ = std::move(*stream);
      return;
    }
    loop.post([weak, err = stream.error()] {
      if (auto e = weak.lock()) e->on_end({0, err});
    });
  }
  ~node_session() override {
    events_.reset();
    if (stream_) stream_->close();
  }

  bool write_stdin(std::string_view bytes) override {
    if (!stream_) return true;
    stream_->write(std::string{bytes});
    return stream_->queued_bytes() < stdin_watermark_bytes;
  }
  void close_stdin() override {
    if (stream_) stream_->finish_input();
  }
  void resize(uint16_t width, uint16_t height) override {
    if (stream_) stream_->resize(width, height);
  }
  void pause_output() override {
    if (stream_) stream_->pause();
  }
  void resume_output() override {
    if (stream_) stream_->resume();
  }

private:
  std::shared_ptr<session_events> events_;
  connection stream_;
};

class node_streams : public pod_streams {
public:
  node_streams(event_loop& loop, container_streams& streams) : loop_(loop), streams_(streams) {}

  std::unique_ptr<log_reading> open_log(const container_target& target, const log_options& options,
                                        log_events events) override {
    log_request request{options.container_id, options.follow,      options.timestamps,
                        options.tail_lines,   options.limit_bytes, options.since};
    return std::make_unique<node_log>(loop_, streams_, target, request, std::move(events));
  }
  std::unique_ptr<pod_session> exec(const container_target& target, const exec_options& options,
                                    session_events events) override {
    return std::make_unique<node_session>(loop_, options, std::move(events), [&](stream_events from) {
      return streams_.exec(target.pod_uid, target.container, {options.command, options.tty, options.stdin_},
                           std::move(from));
    });
  }
  std::unique_ptr<pod_session> attach(const container_target& target, const exec_options& options,
                                      session_events events) override {
    return std::make_unique<node_session>(loop_, options, std::move(events), [&](stream_events from) {
      return streams_.attach(target.pod_uid, target.container, {options.stdin_}, std::move(from));
    });
  }

private:
  event_loop& loop_;
  container_streams& streams_;
};

} // namespace

std::shared_ptr<pod_streams> make_node_streams(event_loop& loop, container_streams& streams) {
  return std::make_shared<node_streams>(loop, streams);
}

} // namespace podium::api
