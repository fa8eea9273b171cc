// pods/exec and pods/attach: a WebSocket on one side, a command on the other, neither faster than the other.
#include "api/pod_target.hpp"
#include "api/session_protocol.hpp"
#include "runtime/http/websocket.hpp"

namespace podium::api {
namespace {

const std::vector<std::string_view> known_protocols{"v5.channel.k8s.io", "v4.channel.k8s.io"};

class session_transfer : public std::enable_shared_from_this<session_transfer> {
public:
  session_transfer(std::shared_ptr<server_state> state, std::shared_ptr<websocket> socket,
                   exec_options options)
      : state_(std::move(state)), socket_(std::move(socket)), options_(std::move(options)) {}

  void start(const container_target& target, bool attach) {
    state_->live.insert(shared_from_this());
    ++state_->stats.sessions;
    std::weak_ptr<session_transfer> weak = weak_from_this();
    socket_->on_close([weak](uint16_t, std::string_view) {
      if (auto self = weak.lock()) self->leave();
    });
    socket_->on_drain([weak] {
      if (auto self = weak.lock(); self && self->session_) self->session_->resume_output();
    });
    session_events events;
    events.on_output = [weak](int channel, std::string_view data) {
      if (auto self = weak.lock()) self->output(channel, data);
    };
    events.on_drain = [weak] {
      if (auto self = weak.lock()) self->socket_->resume_reading();
    };
    events.on_end = [weak](const session_end& end) {
      if (auto self = weak.lock()) self->ended(end);
    };
    auto& streams = *state_->parts.streams;
    session_ = attach ? streams.attach(target, options_, std::move(events))
                      : streams.exec(target, options_, std::move(events));
    socket_->on_message([weak](websocket_opcode, std::string_view message) {
      if (auto self = weak.lock()) self->received(message);
    });
  }

private:
  /// Text frames carry the channel as their first character, binary ones as their first byte: the same.
  void received(std::string_view message) {
    auto frame = parse_frame(message);
    if (!frame || !session_ || finished_) return;
    switch (frame->to) {
    case channel::stdin_:
      if (options_.stdin_ && !frame->data.empty() && !session_->write_stdin(frame->data))
        socket_->pause_reading();
      return;
    case channel::resize:
      if (auto size = options_.tty ? parse_resize(frame->data) : std::nullopt)
        session_->resize(size->width, size->height);
      return;
    case channel::close:
      if (options_.stdin_ && frame->data == std::string_view{"\0", 1}) session_->close_stdin();
      return;
    default:
      return;
    }
  }
  void output(int number, std::string_view data) {
    std::string frame(1, static_cast<char>(number));
    frame += data;
    if (!socket_->send_binary(frame) && session_) session_->pause_output();
  }
  void ended(const session_end& end) {
    finished_ = true;
    std::string frame(1, static_cast<char>(channel::status));
    socket_->send_binary(frame + session_status(end));
    socket_->close(1000);
  }
  void leave() {
    if (std::exchange(left_, true)) return;
    auto self = shared_from_this();
    // The session may be what is calling: it goes when the loop has come round.
    state_->parts.loop.post([session = std::shared_ptr<pod_session>(std::move(session_))] {});
    --state_->stats.sessions;
    state_->live.erase(self);
  }

  const std::shared_ptr<server_state> state_;
  const std::shared_ptr<websocket> socket_;
  const exec_options options_;
  std::unique_ptr<pod_session> session_;
  bool finished_ = false, left_ = false;
};

exec_options read_options(const http_query& query, bool attach) {
  exec_options out;
  if (!attach)
    for (auto& word : query.get_all("command"))
      out.command.emplace_back(word);
  out.stdin_ = query.flag("stdin");
  out.tty = query.flag("tty");
  out.stdout_ = query.flag("stdout");
  out.stderr_ = query.flag("stderr") && !out.tty;
  return out;
}

/// What is wrong with a request, before it is looked at how it wants to be carried: kubectl asks twice, and
/// prints the second answer.
std::optional<failure> check(const call& c, const pod& p, const exec_options& options, bool attach,
                             std::string& container) {
  auto chosen = choose_container(p, c.query().get("container").value_or(""));
  if (auto* f = std::get_if<failure>(&chosen)) return std::move(*f);
  container = std::get<std::string>(chosen);
  if (!attach && options.command.empty()) return bad_request("you must specify a command to exec");
  if (!options.stdin_ && !options.stdout_ && !options.stderr_)
    return bad_request("you must specify at least 1 of stdin, stdout, stderr");
  if (auto f = check_runs(p, container)) return f;
  if (!c.state->parts.streams) return unavailable("this server runs no containers");
  if (c.state->stats.sessions >= c.state->settings.max_sessions)
    return too_many_requests("too many sessions are open, please try again later", 1);
  if (!c.request().wants_upgrade("websocket"))
    return bad_request(
        "Upgrade request required: exec and attach are served over WebSocket (v5.channel.k8s.io, "
        "v4.channel.k8s.io), as kubectl 1.31 and newer use it");
  return {};
}

} // namespace

void serve_session(const call_ptr& c) {
  auto found = c->snapshot()->find(c->to.ns, c->to.name);
  if (!found) return c->fail(not_found(c->res(), c->to.name));
  bool attach = c->to.sub->kind == subresource_kind::attach;
  auto options = read_options(c->query(), attach);
  std::string container;
  if (auto f = check(*c, found->as_pod(), options, attach, container)) return c->fail(*f);
  auto protocol = choose_subprotocol(c->request().headers.get("Sec-WebSocket-Protocol"), known_protocols);
  if (protocol.empty())
    return c->fail(bad_request("none of the offered WebSocket protocols is served: v5.channel.k8s.io, "
                               "v4.channel.k8s.io"));
  auto socket = c->exchange->accept_websocket(protocol);
  if (!socket) return;
  auto transfer = std::make_shared<session_transfer>(c->state, std::move(socket), std::move(options));
  transfer->start({found->uid(), c->to.ns, c->to.name, container}, attach);
}

} // namespace podium::api
