#include "api/port_forward.hpp"

#include "api/stream_upgrade.hpp"
#include "runtime/http/websocket_tunnel.hpp"

namespace podium::api {
namespace {

constexpr std::string_view tunnel_protocol = "SPDY/3.1+portforward.k8s.io";
const std::vector<std::string_view> spdy_protocols{"portforward.k8s.io"};
const std::vector<std::string_view> websocket_protocols{tunnel_protocol, "v5.channel.k8s.io",
                                                        "v4.channel.k8s.io", "v4.base64.channel.k8s.io"};
/// A channel's number is one byte, in base64 protocols a character's; and each port has two.
constexpr size_t max_ports = 64, max_text_ports = 40;

/// The query of the channel protocol: `ports=80,81`, `ports=80&ports=81`.
outcome<std::vector<uint16_t>> read_ports(const http_query& query, size_t most) {
  std::vector<uint16_t> out;
  auto lists = query.get_all("ports");
  if (lists.empty()) return bad_request("query parameter \"ports\" is required");
  for (auto list : lists) {
    if (list.empty()) return bad_request("query parameter \"ports\" cannot be empty");
    for (size_t at = 0; at <= list.size();) {
      auto end = std::min(list.find(',', at), list.size());
      auto one = parse_port(list.substr(at, end - at));
      if (!one.error.empty()) return bad_request(one.error);
      out.push_back(one.port);
      if (out.size() > most)
        return bad_request("at most " + std::to_string(most) + " ports can be forwarded at a time");
      at = end + 1;
    }
  }
  return out;
}

/// Why nothing can be forwarded to a pod now, whichever way it is asked for.
std::optional<failure> check(const call& c, const pod& p) {
  if (p.spec.node_name.empty())
    return bad_request("pod " + p.metadata.name + " does not have a host assigned");
  if (!c.state->parts.ports) return unavailable("this server runs no containers");
  if (c.state->stats.sessions >= c.state->settings.max_sessions)
    return too_many_requests("too many sessions are open, please try again later", 1);
  if (wanted_transport(c.request()) == stream_transport::none) return upgrade_required();
  return {};
}

std::shared_ptr<forwarding> accept_websocket(const call& c, const std::string& uid) {
  auto protocol = accept_channel_protocol(c, websocket_protocols);
  if (!protocol) return nullptr;
  auto channels = channel_protocol_of(*protocol);
  std::vector<uint16_t> ports;
  if (*protocol != tunnel_protocol) {
    auto read = read_ports(c.query(), channels.text ? max_text_ports : max_ports);
    if (auto* f = std::get_if<failure>(&read)) {
      refuse_stream(c, f->code(), f->status.body.at("message").as_string().c_str());
      return nullptr;
    }
    ports = std::get<std::vector<uint16_t>>(std::move(read));
  }
  auto socket = c.exchange->accept_websocket(*protocol);
  if (!socket) return nullptr;
  if (*protocol != tunnel_protocol)
    return make_channel_forwarding(c.state, uid, std::move(socket), channels, std::move(ports));
  return make_spdy_forwarding(c.state, uid, spdy_session::make(make_websocket_tunnel(std::move(socket))));
}

} // namespace

void forwarding::start() {
  state_->live.insert(shared_from_this());
  ++state_->stats.sessions;
  begin();
  pod_end_ = ports().on_pod_end(pod_uid_, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->end();
  });
}

void forwarding::leave() {
  if (std::exchange(left_, true)) return;
  auto self = shared_from_this();
  drop_later(std::move(pod_end_));
  --state_->stats.sessions;
  state_->live.erase(self);
}

void forwarding::drop_later(std::shared_ptr<void> what) {
  // What it calls is ours.
  if (what) loop().post([self = shared_from_this(), what = std::move(what)] {});
}

void serve_port_forward(const call_ptr& c) {
  auto found = c->snapshot()->find(c->to.ns, c->to.name);
  if (!found) return c->fail(not_found(c->res(), c->to.name));
  auto p = found->as_pod();
  if (auto f = check(*c, p)) return c->fail(*f);
  auto uid = std::string{found->uid()};
  if (p.status.phase != "Running")
    return refuse_stream(*c, 500, "sandbox container \"" + uid + "\" is not running");
  std::shared_ptr<forwarding> accepted;
  if (wanted_transport(c->request()) == stream_transport::websocket) {
    accepted = accept_websocket(*c, uid);
  } else if (auto spdy = accept_spdy(*c, spdy_protocols)) {
    accepted = make_spdy_forwarding(c->state, uid, std::move(spdy->session));
  }
  if (accepted) accepted->start();
}

} // namespace podium::api
