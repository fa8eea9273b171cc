#include "runtime/http/spdy_session.hpp"

#include "core/error.hpp"
#include "runtime/http/call_guarded.hpp"

#include <algorithm>

namespace podium {
namespace {
constexpr size_t data_frame_bytes = 64 * 1024;
}

// -- a stream

spdy_stream::spdy_stream(std::weak_ptr<spdy_session> session, uint32_t id, spdy_headers headers)
    : session_(std::move(session)), id_(id), headers_(std::move(headers)) {}

spdy_stream::~spdy_stream() {
  drop_input();
}

void spdy_stream::on_data(std::function<void(std::string_view)> f) {
  on_data_ = std::move(f);
  deliver_later();
}

void spdy_stream::on_end(std::function<void()> f) {
  on_end_ = std::move(f);
  deliver_later();
}

void spdy_stream::resume_reading() {
  if (std::exchange(paused_, false)) deliver_later();
}

void spdy_stream::deliver_later() {
  if (auto s = session_.lock())
    s->defer([weak = weak_from_this()] {
      if (auto self = weak.lock()) self->deliver();
    });
}

bool spdy_stream::write(std::string_view bytes) {
  auto s = session_.lock();
  if (!s || local_done_ || !s->is_open()) return false;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(bytes.size(), data_frame_bytes)))
    s->send(spdy_encoder::data(id_, bytes.substr(0, data_frame_bytes)));
  return s->has_room();
}

void spdy_stream::finish() {
  auto s = session_.lock();
  if (!s || std::exchange(local_done_, true)) return;
  s->send(spdy_encoder::data(id_, {}, true));
  if (remote_done_) s->remove(id_);
}

void spdy_stream::reset(spdy_status why) {
  auto s = session_.lock();
  auto keep = shared_from_this();
  drop_input();
  on_close_ = nullptr;
  if (s && !closed_ && !(local_done_ && remote_done_)) s->send(spdy_encoder::rst_stream(id_, why));
  closed();
  if (s) s->remove(id_);
}

/// Takes what the client sent.
void spdy_stream::accept(std::string_view bytes, bool fin) {
  if (remote_done_) return reset(spdy_status::stream_already_closed);
  if (!bytes.empty()) {
    if (inbox_.empty() && on_data_ && !paused_) {
      call_guarded(on_data_, bytes);
    } else {
      inbox_ += bytes;
      if (auto s = session_.lock()) s->buffered_ += bytes.size();
    }
  }
  if (!fin || closed_) return;
  remote_done_ = true;
  if (auto s = session_.lock(); s && local_done_) s->remove(id_);
  deliver();
}

void spdy_stream::deliver() {
  auto keep = shared_from_this();
  while (!paused_ && !closed_ && !inbox_.empty() && on_data_) {
    auto data = std::exchange(inbox_, {});
    if (auto s = session_.lock()) {
      s->buffered_ -= data.size();
      s->bounded_input();
    }
    call_guarded(on_data_, std::string_view{data});
  }
  if (inbox_.empty() && remote_done_ && !closed_ && on_end_ && !std::exchange(end_told_, true))
    call_guarded(on_end_);
}

void spdy_stream::drop_input() {
  auto size = std::exchange(inbox_, {}).size();
  auto s = session_.lock();
  if (size == 0 || !s) return;
  s->buffered_ -= size;
  s->bounded_input();
}

/// Over, but for what waits to be read.
void spdy_stream::closed() {
  if (std::exchange(closed_, true)) return;
  local_done_ = remote_done_ = true;
  drop_input();
  auto f = std::exchange(on_close_, {});
  on_data_ = nullptr;
  on_end_ = nullptr;
  if (f) f();
}

// -- the session

spdy_session::spdy_session(std::shared_ptr<byte_stream> transport, const spdy_session_limits& limits)
    : limits_(limits), transport_(std::move(transport)), decoder_(limits.frames) {}

std::shared_ptr<spdy_session> spdy_session::make(std::shared_ptr<byte_stream> transport,
                                                 const spdy_session_limits& limits) {
  std::shared_ptr<spdy_session> result{new spdy_session(std::move(transport), limits)};
  result->start();
  return result;
}

spdy_session::~spdy_session() {
  end(spdy_status::ok);
}

void spdy_session::start() {
  auto weak = weak_from_this();
  transport_->on_drain([weak] {
    auto self = weak.lock();
    if (!self || std::exchange(self->room_, true)) return;
    call_guarded(self->on_room_, true);
  });
  transport_->on_close([weak] {
    if (auto self = weak.lock()) self->closed();
  });
  transport_->on_shutdown([weak] {
    if (auto self = weak.lock()) self->close();
  });
}

void spdy_session::on_stream(std::function<bool(const stream_ptr&)> f) {
  on_stream_ = std::move(f);
  transport_->on_data([weak = weak_from_this()](std::string_view bytes) {
    if (auto self = weak.lock()) self->receive(bytes);
  });
}

void spdy_session::receive(std::string_view bytes) {
  while (!ended_) {
    auto frame = decoder_.next(bytes);
    if (!frame) return broken(std::move(frame.error()));
    if (!*frame) break;
    std::visit([this](auto& f) { take(std::move(f)); }, **frame);
  }
  bounded_input();
}

void spdy_session::take(spdy_syn_stream&& frame) {
  if (frame.stream % 2 == 0 || frame.stream <= last_id_)
    return broken(make_error(errc::bad_request, "SPDY: a client cannot open stream "
                                                    + std::to_string(frame.stream) + " after "
                                                    + std::to_string(last_id_)));
  last_id_ = frame.stream;
  auto stream = std::make_shared<spdy_stream>(weak_from_this(), frame.stream, std::move(frame.headers));
  // The client waits for the answer of every stream, so it comes before anything that is written to it.
  auto reply = encoder_.syn_reply(frame.stream);
  bool wanted = !client_leaves_ && streams_.size() < limits_.streams;
  if (!wanted) {
    send(std::move(reply));
    stream->reset(spdy_status::refused_stream);
    return;
  }
  send(std::move(reply));
  streams_.emplace(frame.stream, stream);
  if (!on_stream_ || !on_stream_(stream)) return stream->reset(spdy_status::refused_stream);
  if (frame.fin) stream->accept({}, true);
}

void spdy_session::take(const spdy_data& frame) {
  auto i = streams_.find(frame.stream);
  if (i != streams_.end()) {
    auto keep = i->second;
    return keep->accept(frame.bytes, frame.fin);
  }
  // What was on its way when we closed the stream is dropped.
  if (frame.stream > last_id_ || frame.stream % 2 == 0)
    broken(make_error(errc::bad_request,
                      "SPDY: data for stream " + std::to_string(frame.stream) + ", which was never opened"));
}

void spdy_session::take(const spdy_rst_stream& frame) {
  auto i = streams_.find(frame.stream);
  if (i == streams_.end()) return;
  auto keep = i->second;
  streams_.erase(i);
  keep->closed();
  if (client_leaves_ && streams_.empty()) close();
}

void spdy_session::take(const spdy_ping& frame) {
  if (frame.id % 2 == 1) send(spdy_encoder::ping(frame.id)); // an even one answers a ping of ours
}

/// The client opens no more streams; those that are open come to their ends.
void spdy_session::take(const spdy_goaway&) {
  client_leaves_ = true;
  if (streams_.empty()) close();
}

void spdy_session::broken(caf::error why) {
  if (!why_) why_ = std::move(why);
  end(spdy_status::protocol_error);
}

bool spdy_session::send(std::string bytes) {
  if (ended_) return false;
  if (!transport_->write(std::move(bytes)) && std::exchange(room_, false)) call_guarded(on_room_, false);
  return room_;
}

void spdy_session::remove(uint32_t id) {
  if (streams_.erase(id) != 0 && client_leaves_ && streams_.empty()) close();
}

/// Stops and resumes the connection by what waits for its readers.
void spdy_session::bounded_input() {
  auto over = [this](auto& entry) { return entry.second->inbox_.size() > limits_.stream_input_bytes; };
  auto full = [&] {
    return buffered_ > limits_.session_input_bytes
           || (buffered_ > limits_.stream_input_bytes && std::any_of(streams_.begin(), streams_.end(), over));
  };
  if (ended_ || full() == input_paused_) return;
  input_paused_ = !input_paused_;
  input_paused_ ? transport_->pause_reading() : transport_->resume_reading();
}

void spdy_session::end(spdy_status why) {
  if (ended_) return;
  transport_->write(spdy_encoder::goaway(last_id_, why));
  ended_ = true;
  transport_->close();
}

void spdy_session::closed() {
  ended_ = true;
  on_stream_ = nullptr;
  on_room_ = nullptr;
  auto streams = std::exchange(streams_, {});
  for (auto& [id, stream] : streams)
    stream->closed();
  if (auto f = std::exchange(on_close_, {})) f(why_);
}

} // namespace podium
