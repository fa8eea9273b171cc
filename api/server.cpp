#include "api/server.hpp"

#include "api/base64.hpp"
#include "api/call.hpp"
#include "api/watch.hpp"

namespace podium::api {
namespace {

/// The verb of a request on a resource, as authorizers and error texts name it. Empty: no such method here.
std::string_view verb_of(const call& c) {
  auto& method = c.request().method;
  bool reads = method == "GET" || method == "HEAD";
  bool watching = reads && c.query().flag("watch");
  switch (c.to.kind) {
  case route_kind::collection:
    if (reads) return watching ? "watch" : "list";
    if (method == "POST") return "create";
    return method == "DELETE" ? "deletecollection" : "";
  case route_kind::object:
    if (reads) return watching ? "watch" : "get";
    if (method == "PUT") return "update";
    if (method == "PATCH") return "patch";
    return method == "DELETE" ? "delete" : "";
  case route_kind::subresource:
    if (reads) return "get";
    if (method == "POST") return "create";
    if (method == "PUT") return "update";
    return method == "PATCH" ? "patch" : "";
  default:
    return reads ? "get" : "";
  }
}

bool has_verb(uint16_t verbs, std::string_view name) {
  for (auto& v : verb_names(verbs))
    if (v == name) return true;
  return false;
}

bool streams_bytes(subresource_kind kind) {
  return kind == subresource_kind::exec || kind == subresource_kind::attach
         || kind == subresource_kind::portforward || kind == subresource_kind::log;
}

void serve_subresource(const call_ptr& c, std::string_view verb) {
  switch (c->to.sub->kind) {
  case subresource_kind::log:
    return serve_log(c);
  case subresource_kind::exec:
  case subresource_kind::attach:
    return serve_session(c);
  case subresource_kind::portforward:
    return serve_port_forward(c);
  case subresource_kind::binding:
    return serve_binding(c);
  case subresource_kind::eviction:
    return serve_eviction(c);
  case subresource_kind::token:
    return serve_token(c);
  case subresource_kind::status:
  case subresource_kind::finalize:
  case subresource_kind::ephemeralcontainers:
    if (verb == "get") return serve_get(c);
    return verb == "patch" ? serve_patch(c) : serve_update(c);
  }
}

void serve_resource(const call_ptr& c, std::string_view verb) {
  auto form = negotiate(c->request(), c->res().source != resource_source::review);
  // Streams of bytes are what they are.
  bool is_stream = c->to.kind == route_kind::subresource && streams_bytes(c->to.sub->kind);
  if (!form && !is_stream) return c->fail(not_acceptable("application/json, application/yaml"));
  c->form = form.value_or(output{});
  if (c->to.kind == route_kind::subresource) return serve_subresource(c, verb);
  if (c->res().source == resource_source::review) return serve_review(c);
  if (c->res().source == resource_source::metrics) return serve_metrics(c);
  if (verb == "get") return serve_get(c);
  if (verb == "list") return serve_list(c);
  if (verb == "watch") return serve_watch(c);
  if (verb == "create") return serve_create(c);
  if (verb == "update") return serve_update(c);
  if (verb == "patch") return serve_patch(c);
  if (verb == "delete") return serve_delete(c);
  serve_delete_collection(c);
}

void dispatch(const call_ptr& c) {
  auto& request = c->request();
  if (request.method == "OPTIONS") {
    c->exchange->respond(204, "", std::string{}, {{"Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"}});
    return;
  }
  auto verb = verb_of(*c);
  // Health needs no name; what is not there is shown as such only to who might have seen it.
  if (c->to.kind != route_kind::health && !may_proceed(c, verb)) return;
  if (c->to.kind == route_kind::unknown) return c->fail(unknown_path());
  auto allowed = c->to.kind == route_kind::subresource ? c->to.sub->verbs
                 : c->to.res                           ? c->to.res->verbs
                                                       : uint16_t{v_get};
  if (verb.empty() || !has_verb(allowed, verb)) return c->fail(method_not_allowed());
  if (c->to.res) return serve_resource(c, verb);
  serve_discovery(c);
}

/// What the gate finds out about a request. The handler takes it over.
struct admission {
  route to;
  std::optional<user_info> user;
  /// Load balancers and supervisors ask after health without a name.
  bool refused() const { return !user && to.kind != route_kind::health; }
};

admission admit(const server_state& state, const http_request& request) {
  admission out{parse_route(request.raw_path), std::nullopt};
  if (state.settings.authenticate) out.user = state.settings.authenticate(request);
  return out;
}

void handle(const std::shared_ptr<server_state>& state, std::shared_ptr<http_exchange> exchange) {
  ++state->stats.requests;
  auto c = std::make_shared<call>(state, std::move(exchange));
  auto noted = std::static_pointer_cast<admission>(std::move(c->exchange->request().note));
  auto known = noted ? std::move(*noted) : admit(*state, c->request());
  c->to = std::move(known.to);
  if (known.refused()) return c->fail(unauthorized());
  if (known.user) c->user = std::move(*known.user);
  if (!take_other_name(c)) return;
  guarded(c, [&] { dispatch(c); });
}

/// Refuses what is not known before its body is read, and bounds the body by what the route can use.
gate_verdict judge(const server_state& state, const http_request& request) {
  gate_verdict out;
  auto known = std::make_shared<admission>(admit(state, request));
  auto& to = known->to;
  if (known->refused()) {
    auto f = unauthorized();
    return {f.code(), "application/json", f.json(), 0, nullptr};
  }
  out.note = known;
  bool carries_object = request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  bool is_stream = to.sub && streams_bytes(to.sub->kind);
  out.body_bytes = carries_object && !is_stream ? state.settings.body_bytes : state.settings.small_body_bytes;
  return out;
}

} // namespace

std::optional<std::string> bearer_token(const http_request& request) {
  constexpr std::string_view scheme = "Bearer ", prefix = "base64url.bearer.authorization.k8s.io.";
  auto header = request.headers.get("Authorization");
  if (header.size() > scheme.size() && equal_ignoring_case(header.substr(0, scheme.size()), scheme))
    return std::string{header.substr(scheme.size())};
  if (!request.wants_upgrade("websocket")) return {};
  std::optional<std::string> out;
  auto protocols = split_list(request.headers.get("Sec-WebSocket-Protocol"));
  for (auto& name : protocols) {
    if (!name.starts_with(prefix)) continue;
    if (out) return {};
    out = from_base64(std::string_view{name}.substr(prefix.size()), base64_form::url);
    if (!out) return {};
  }
  // The token is not echoed: another protocol must be there to be.
  return protocols.size() > 1 ? out : std::nullopt;
}

authenticator certificate_authenticator(token_lookup token) {
  return [token = std::move(token)](const http_request& request) -> std::optional<user_info> {
    user_info user;
    if (request.peer.verified && !request.peer.common_name.empty()) {
      user.name = request.peer.common_name;
      user.groups = request.peer.organizations;
    } else {
      auto bearer = token ? bearer_token(request) : std::nullopt;
      if (!bearer) return {};
      auto known = token(*bearer);
      if (!known) return {};
      user = std::move(*known);
    }
    user.groups.emplace_back("system:authenticated");
    return user;
  };
}

server::server(server_parts parts, server_settings settings)
    : loop_(parts.loop), state_(std::make_shared<server_state>(std::move(parts), std::move(settings))) {
  // The view keeps the listener for good: it holds the hub weakly.
  state_->parts.view.on_publish([weak = std::weak_ptr{state_->hub}](const std::string& resource) {
    if (auto hub = weak.lock()) hub->published(resource);
  });
}

server::~server() {
  auto state = std::move(state_);
  loop_.run([&] {
    state->stopping = true;
    state->hub->stop();
    state->live.clear();
    state->turns->clear(); // they keep the state
    state->to_registry.stop();
    // Calls that wait for a second look keep the state: nobody may look once the runtime goes.
    state->meter.reset();
    state.reset();
  });
}

http_handler server::handler() const {
  return [weak = std::weak_ptr{state_}](std::shared_ptr<http_exchange> exchange) {
    if (auto state = weak.lock(); state && !state->stopping) return handle(state, std::move(exchange));
    exchange->respond(503, "application/json", unavailable("the API is shutting down").json());
  };
}

http_gate server::gate() const {
  return [weak = std::weak_ptr{state_}](const http_request& request) {
    auto state = weak.lock();
    return state ? judge(*state, request) : gate_verdict{};
  };
}

http_refusal server::refusal() {
  return [](int status, std::string_view text) -> http_page {
    return {"application/json", refused_by_server(status, text).json()};
  };
}

const gateway_actor& server::gateway() const {
  return state_->to_registry.actor();
}

void server::set_ready(bool ready) {
  state_->ready = ready;
}

server_stats server::stats() const {
  auto out = state_->stats;
  out.watches = state_->hub->size();
  return out;
}

} // namespace podium::api
