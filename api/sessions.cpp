// pods/exec and pods/attach: a client on one side, a command on the other, neither faster than the other.
#include "api/pod_target.hpp"
#include "api/session_carrier.hpp"
#include "api/stream_upgrade.hpp"

namespace podium::api {
namespace {

class session_transfer : public std::enable_shared_from_this<session_transfer> {
public:
  session_transfer(std::shared_ptr<server_state> state, std::shared_ptr<session_carrier> carrier,
                   exec_options options, container_target target, bool attach)
      : state_(std::move(state)), carrier_(std::move(carrier)), options_(std::move(options)),
        target_(std::move(target)), attach_(attach) {}

  void start() {
    state_->live.insert(shared_from_this());
    ++state_->stats.sessions;
    auto with_self = [weak = weak_from_this()](auto f) {
      return [weak, f](auto... xs) {
        if (auto self = weak.lock()) f(*self, xs...);
      };
    };
    carrier_events events;
    events.on_ready = with_self([](auto& self) { self.begin(); });
    events.on_stdin = with_self([](auto& self, std::string_view bytes) { self.input(bytes); });
    events.on_stdin_end = with_self([](auto& self) {
      if (self.session_ && self.options_.stdin_ && !self.finished_) self.session_->close_stdin();
    });
    events.on_resize = with_self([](auto& self, terminal_size size) {
      if (self.session_ && self.options_.tty && !self.finished_)
        self.session_->resize(size.width, size.height);
    });
    events.on_room = with_self([](auto& self, bool room) {
      if (self.session_) room ? self.session_->resume_output() : self.session_->pause_output();
    });
    events.on_gone = with_self([](auto& self) { self.leave(); });
    carrier_->start(std::move(events));
  }

private:
  void begin() {
    std::weak_ptr<session_transfer> weak = weak_from_this();
    session_events events;
    events.on_output = [weak](int number, std::string_view bytes) {
      auto self = weak.lock();
      if (!self || self->carrier_->send(static_cast<channel>(number), bytes)) return;
      if (self->session_) self->session_->pause_output();
    };
    events.on_drain = [weak] {
      if (auto self = weak.lock()) self->carrier_->resume_input();
    };
    events.on_end = [weak](const session_end& end) {
      if (auto self = weak.lock()) self->ended(end);
    };
    auto& streams = *state_->parts.streams;
    session_ = attach_ ? streams.attach(target_, options_, std::move(events))
                       : streams.exec(target_, options_, std::move(events));
  }
  void input(std::string_view bytes) {
    if (session_ && options_.stdin_ && !finished_ && !session_->write_stdin(bytes)) carrier_->pause_input();
  }
  void ended(session_end end) {
    finished_ = true;
    if (end.error)
      end.error = make_error(code_of(end.error), (attach_ ? "error attaching to container: "
                                                          : "error executing command in container: ")
                                                     + message_of(end.error));
    carrier_->finish(end);
    // Input that nobody takes any more must not keep the client's goodbye from being read.
    carrier_->resume_input();
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
  const std::shared_ptr<session_carrier> carrier_;
  const exec_options options_;
  const container_target target_;
  const bool attach_;
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
  if (!c.state->parts.streams) return unavailable("this server runs no containers");
  if (c.state->stats.sessions >= c.state->settings.max_sessions)
    return too_many_requests("too many sessions are open, please try again later", 1);
  if (wanted_transport(c.request()) == stream_transport::none) return upgrade_required();
  return {};
}

/// The upgraded connection; null when it was refused, and answered.
std::shared_ptr<session_carrier> accept_carrier(const call& c, const exec_options& options) {
  if (wanted_transport(c.request()) == stream_transport::spdy) {
    auto spdy = accept_spdy(c, spdy_session_protocols());
    if (!spdy) return nullptr;
    return make_spdy_carrier(c.state->parts.loop, std::move(spdy->session), options, spdy->protocol);
  }
  auto protocol = accept_channel_protocol(c, websocket_session_protocols());
  if (!protocol) return nullptr;
  auto socket = c.exchange->accept_websocket(*protocol);
  return socket ? make_websocket_carrier(std::move(socket), channel_protocol_of(*protocol)) : nullptr;
}

} // namespace

void serve_session(const call_ptr& c) {
  auto found = c->snapshot()->find(c->to.ns, c->to.name);
  if (!found) return c->fail(not_found(c->res(), c->to.name));
  bool attach = c->to.sub->kind == subresource_kind::attach;
  auto options = read_options(c->query(), attach);
  std::string container;
  auto p = found->as_pod();
  if (auto f = check(*c, p, options, attach, container)) return c->fail(*f);
  if (auto f = check_runs(p, attach ? "attach" : "exec into")) return c->fail(*f);
  if (!is_running(p, container)) return refuse_stream(*c, 500, "container not found (\"" + container + "\")");
  auto carrier = accept_carrier(*c, options);
  if (!carrier) return;
  container_target target{found->uid(), c->to.ns, c->to.name, container};
  std::make_shared<session_transfer>(c->state, std::move(carrier), std::move(options), std::move(target),
                                     attach)
      ->start();
}

} // namespace podium::api
