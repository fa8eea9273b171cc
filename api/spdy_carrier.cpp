// Exec and attach as kubectl before 1.31 speaks them: a SPDY stream each for stdin, stdout, stderr, the
// terminal's size, and the error or Status at the end. The header `streamtype` says which is which.
#include "api/session_carrier.hpp"
#include "core/error.hpp"

#include <algorithm>
#include <array>

namespace podium::api {
namespace {

constexpr std::string_view newest = "v4.channel.k8s.io";
constexpr auto open_time = std::chrono::seconds{30};
constexpr auto goodbye_time = std::chrono::seconds{30};
/// A size is sent as a small JSON object; more without one is no size.
constexpr size_t resize_bytes = 256;

class spdy_carrier : public session_carrier, public std::enable_shared_from_this<spdy_carrier> {
public:
  spdy_carrier(event_loop& loop, std::shared_ptr<spdy_session> session, const exec_options& options,
               std::string_view protocol)
      : loop_(loop), session_(std::move(session)), sends_status_(protocol == newest) {
    bool can_resize = protocol == newest || protocol == "v3.channel.k8s.io";
    slots_ = {{{"error", true, nullptr},
               {"stdin", options.stdin_, nullptr},
               {"stdout", options.stdout_, nullptr},
               {"stderr", options.stderr_, nullptr},
               {"resize", options.tty && can_resize, nullptr}}};
  }
  ~spdy_carrier() override {
    if (timer_ != 0) loop_.cancel(timer_);
  }

  void start(carrier_events events) override {
    events_ = std::move(events);
    auto weak = weak_from_this();
    close_after(open_time);
    session_->on_close([weak](const caf::error&) {
      if (auto self = weak.lock()) self->events_.on_gone();
    });
    session_->on_room([weak](bool room) {
      if (auto self = weak.lock()) self->events_.on_room(room);
    });
    session_->on_stream([weak](const spdy_session::stream_ptr& s) {
      auto self = weak.lock();
      return self && self->opened(s);
    });
  }
  bool send(channel to, std::string_view bytes) override {
    auto& stream = slots_[to == channel::stderr_ ? err : out].stream;
    return !stream || !stream->is_open() || stream->write(bytes); // what nobody wants is dropped
  }
  void finish(const session_end& end) override {
    for (auto i : {out, err})
      if (auto& stream = slots_[i].stream) stream->finish();
    auto& stream = *slots_[error].stream;
    auto status = session_status(end);
    // Before v4 there is a text when it failed, and nothing when it did not.
    if (!sends_status_) status = session_failure(end);
    if (!status.empty()) stream.write(status);
    stream.finish();
    // The client closes when it has read all. Its library forgets what it has not handed on yet when the
    // connection ends before that.
    close_after(goodbye_time);
  }
  void pause_input() override {
    if (auto& stream = slots_[in].stream) stream->pause_reading();
  }
  void resume_input() override {
    if (auto& stream = slots_[in].stream) stream->resume_reading();
  }

private:
  enum index : size_t { error, in, out, err, resize };
  struct slot {
    std::string_view name;
    bool wanted;
    spdy_session::stream_ptr stream;
  };

  bool opened(const spdy_session::stream_ptr& stream) {
    auto s = std::find_if(slots_.begin(), slots_.end(),
                          [&](auto& one) { return one.name == stream->header("streamtype"); });
    if (s == slots_.end() || !s->wanted || s->stream) return false;
    s->stream = stream;
    std::weak_ptr<spdy_carrier> weak = weak_from_this();
    if (s == slots_.begin() + resize)
      stream->on_data([weak](std::string_view bytes) {
        if (auto self = weak.lock()) self->resized(bytes);
      });
    else if (s != slots_.begin() + in)
      stream->on_data([](std::string_view) {}); // what goes out only brings nothing in
    bool complete =
        std::all_of(slots_.begin(), slots_.end(), [](auto& one) { return !one.wanted || one.stream; });
    if (complete) all_there();
    return true;
  }
  void all_there() {
    if (timer_ != 0) loop_.cancel(std::exchange(timer_, 0));
    events_.on_ready();
    auto& stream = slots_[in].stream;
    if (!stream) return;
    std::weak_ptr<spdy_carrier> weak = weak_from_this();
    auto ended = [weak] {
      if (auto self = weak.lock()) self->events_.on_stdin_end();
    };
    stream->on_data([weak](std::string_view bytes) {
      if (auto self = weak.lock()) self->events_.on_stdin(bytes);
    });
    stream->on_end(ended);
    stream->on_close(ended);
  }
  void close_after(std::chrono::seconds time) {
    if (timer_ != 0) loop_.cancel(timer_);
    timer_ = loop_.after(time, [weak = weak_from_this()] {
      auto self = weak.lock();
      if (!self) return;
      self->timer_ = 0;
      self->session_->close();
    });
  }
  void resized(std::string_view bytes) {
    for (auto c : bytes) {
      size_text_ += c;
      if (c == '}') {
        if (auto size = parse_resize(std::exchange(size_text_, {}))) events_.on_resize(*size);
      } else if (size_text_.size() > resize_bytes) {
        size_text_.clear();
      }
    }
  }

  event_loop& loop_;
  const std::shared_ptr<spdy_session> session_;
  const bool sends_status_;
  std::array<slot, 5> slots_;
  std::string size_text_;
  carrier_events events_;
  uint64_t timer_ = 0;
};

} // namespace

const std::vector<std::string_view>& spdy_session_protocols() {
  static const std::vector<std::string_view> names{newest, "v3.channel.k8s.io", "v2.channel.k8s.io",
                                                   "channel.k8s.io"};
  return names;
}

std::shared_ptr<session_carrier> make_spdy_carrier(event_loop& loop, std::shared_ptr<spdy_session> session,
                                                   const exec_options& options, std::string_view protocol) {
  return std::make_shared<spdy_carrier>(loop, std::move(session), options, protocol);
}

} // namespace podium::api
