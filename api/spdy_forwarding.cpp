#include "api/port_forward.hpp"

#include <map>

namespace podium::api {
namespace {

/// A client that opens one stream of a pair and not the other is told so then, as the kubelet does.
constexpr auto pair_time = std::chrono::seconds{30};
/// A request's id is the client's, and becomes a key here.
constexpr size_t max_request_id = 64;

using stream_ptr = spdy_session::stream_ptr;

class pair_client : public forward_client {
public:
  pair_client(stream_ptr data, stream_ptr error) : data_(std::move(data)), error_(std::move(error)) {}
  bool send(std::string_view bytes) override { return data_->write(bytes); }
  void finish(std::string_view error) override {
    // kubectl waits for the error stream's end before it lets go of the connection.
    if (!error.empty()) error_->write(error);
    data_->finish();
    error_->finish();
  }
  void pause() override { data_->pause_reading(); }
  void resume() override { data_->resume_reading(); }

private:
  const stream_ptr data_, error_;
};

class spdy_forwarding : public forwarding {
public:
  spdy_forwarding(std::shared_ptr<server_state> state, std::string pod_uid,
                  std::shared_ptr<spdy_session> session)
      : forwarding(std::move(state), std::move(pod_uid)), session_(std::move(session)) {}
  ~spdy_forwarding() override {
    for (auto& [id, pair] : pairs_)
      if (pair.timer != 0) loop().cancel(pair.timer);
  }

protected:
  void begin() override {
    auto weak = weak_self();
    session_->on_close([weak](const caf::error&) {
      if (auto self = weak.lock()) self->gone();
    });
    session_->on_room([weak](bool room) {
      auto self = weak.lock();
      if (!self) return;
      for (auto& [id, pair] : self->pairs_)
        if (pair.port) pair.port->room(room);
    });
    session_->on_stream([weak](const stream_ptr& s) {
      auto self = weak.lock();
      return self && self->opened(s);
    });
  }
  void end() override { session_->close(); }

private:
  struct stream_pair {
    stream_ptr data, error;
    std::shared_ptr<forwarded_port> port; ///< once both are there
    uint64_t timer = 0;
  };

  std::weak_ptr<spdy_forwarding> weak_self() {
    return std::static_pointer_cast<spdy_forwarding>(shared_from_this());
  }
  /// Old clients send no id: their data stream follows its error stream.
  static std::string request_id(const spdy_stream& s) {
    auto id = s.header("requestid");
    if (!id.empty()) return std::string{id};
    return "stream " + std::to_string(s.header("streamtype") == "data" ? s.id() - 2 : s.id());
  }
  bool opened(const stream_ptr& s) {
    auto type = s->header("streamtype");
    if ((type != "error" && type != "data") || !parse_port(s->header("port")).error.empty()) return false;
    auto id = request_id(*s);
    if (id.size() > max_request_id) return false;
    auto [i, is_new] = pairs_.try_emplace(id);
    auto& pair = i->second;
    auto& slot = type == "data" ? pair.data : pair.error;
    if (slot) {
      if (pair.error) pair.error->write(std::string{type} + " stream already assigned");
      return false;
    }
    slot = s;
    if (is_new)
      pair.timer = loop().after(pair_time, [weak = weak_self(), id] {
        if (auto self = weak.lock()) self->unpaired(id);
      });
    if (type == "error") s->on_data([](std::string_view) {}); // the client has nothing to say there
    s->on_close([weak = weak_self(), id, type = std::string{type}] {
      if (auto self = weak.lock()) self->was_reset(id, type);
    });
    if (pair.data && pair.error) connect(id, pair);
    return true;
  }
  void connect(const std::string& id, stream_pair& pair) {
    loop().cancel(std::exchange(pair.timer, 0));
    auto weak = weak_self();
    pair.port = std::make_shared<forwarded_port>(
        forward_target{pod_uid(), parse_port(pair.data->header("port")).port},
        std::make_unique<pair_client>(pair.data, pair.error), true, [weak, id] {
          if (auto self = weak.lock()) self->drop(id);
        });
    std::weak_ptr<forwarded_port> port = pair.port;
    pair.data->on_data([port](std::string_view bytes) {
      if (auto p = port.lock()) p->write(bytes);
    });
    pair.data->on_end([port] {
      if (auto p = port.lock()) p->finish_writing();
    });
    pair.port->start(ports());
  }
  /// kubectl resets a data stream when its own side of the connection has gone.
  void was_reset(const std::string& id, std::string_view type) {
    auto i = pairs_.find(id);
    if (i == pairs_.end()) return;
    if (type == "data" && i->second.port) return i->second.port->abort();
    if (!i->second.port) drop(id);
  }
  void unpaired(const std::string& id) {
    auto i = pairs_.find(id);
    if (i == pairs_.end()) return;
    i->second.timer = 0;
    if (auto& error = i->second.error) error->write("timed out waiting for streams");
    drop(id);
  }
  /// A pair is over; what is left of its streams is closed.
  void drop(const std::string& id) {
    auto i = pairs_.find(id);
    if (i == pairs_.end()) return;
    auto pair = std::move(i->second);
    pairs_.erase(i);
    if (pair.timer != 0) loop().cancel(pair.timer);
    for (auto& s : {pair.data, pair.error})
      if (s) {
        s->on_close({});
        s->on_data([](std::string_view) {});
        s->finish();
      }
    drop_later(std::move(pair.port));
  }
  void gone() {
    auto pairs = std::exchange(pairs_, {});
    for (auto& [id, pair] : pairs) {
      if (pair.timer != 0) loop().cancel(pair.timer);
      drop_later(std::move(pair.port));
    }
    leave();
  }

  const std::shared_ptr<spdy_session> session_;
  std::map<std::string, stream_pair> pairs_; ///< by request id
};

} // namespace

std::shared_ptr<forwarding> make_spdy_forwarding(std::shared_ptr<server_state> state, std::string pod_uid,
                                                 std::shared_ptr<spdy_session> session) {
  return std::make_shared<spdy_forwarding>(std::move(state), std::move(pod_uid), std::move(session));
}

} // namespace podium::api
