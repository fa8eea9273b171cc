#include "api/gateway.hpp"

#include "core/base_actor.hpp"

#include <set>
#include <utility>

namespace podium::api {
namespace {

caf::error unknown_outcome() {
  return make_error(
      errc::unavailable,
      "the API's way to the registry has failed; whether the request was carried out is not known");
}

class gateway_impl : public base_actor<gateway_actor> {
public:
  using post_back = std::function<void(uint64_t, caf::expected<delete_result>)>;

  gateway_impl(caf::actor_config& cfg, env_ptr env, registry_actor registry, nanoseconds timeout,
               post_back back)
      : base_actor(cfg, std::move(env), "api/gateway"), registry_(std::move(registry)), timeout_(timeout),
        back_(std::move(back)) {}

  /// A call is known before anything can go wrong with it: an exception's restart must find it.
  caf::invoke_message_result consume(caf::mailbox_element& x) override {
    if (x.content().match_elements<gateway_call>()) open_.insert(x.content().get_as<gateway_call>(0).id);
    return base_actor::consume(x);
  }

protected:
  /// The answers to what was asked before a restart in place are dropped: nobody may wait for them.
  void on_start() override {
    for (auto id : std::exchange(open_, {}))
      back_(id, unknown_outcome());
  }
  behavior_type handlers() override {
    return {[this](const gateway_call& call) {
      std::visit([&](auto& request) { forward(call.id, request); }, *call.request);
    }};
  }
  void ended() override { registry_ = nullptr; }

private:
  void forward(uint64_t id, const delete_object& request) {
    ask(
        registry_, timeout_, [this, id](const delete_result& x) { close(id, x); },
        [this, id](const caf::error& err) { close(id, err); }, request);
  }
  template <class Request>
  void forward(uint64_t id, const Request& request) {
    ask(
        registry_, timeout_,
        [this, id](const object_ref& x) {
          close(id, delete_result{x, false});
        },
        [this, id](const caf::error& err) { close(id, err); }, request);
  }
  void close(uint64_t id, caf::expected<delete_result> result) {
    if (open_.erase(id) != 0) back_(id, std::move(result));
  }

  registry_actor registry_;
  const nanoseconds timeout_;
  const post_back back_;
  // Survives a restart in place.
  std::set<uint64_t> open_; ///< asked and not answered
};

} // namespace

gateway::gateway(caf::actor_system& system, env_ptr env, event_loop& loop, registry_actor registry,
                 nanoseconds timeout)
    : pending_(std::make_shared<pending>()) {
  std::weak_ptr<pending> weak = pending_;
  auto back = [&loop, weak](uint64_t id, caf::expected<delete_result> result) {
    if (weak.expired()) return;
    auto shared = std::make_shared<caf::expected<delete_result>>(std::move(result));
    loop.post([weak, id, shared] {
      auto table = weak.lock();
      if (!table) return;
      auto node = table->answers.extract(id);
      if (!node.empty()) node.mapped()(std::move(*shared));
    });
  };
  actor_ = system.spawn<gateway_impl>(std::move(env), std::move(registry), timeout, std::move(back));
  // When it ends before the gateway does, nobody may go on waiting for what was in its mailbox.
  actor_->attach_functor([&loop, weak](const caf::error&) {
    if (weak.expired()) return;
    loop.post([weak] {
      auto table = weak.lock();
      if (!table) return;
      table->over = true;
      for (auto& [id, done] : std::exchange(table->answers, {}))
        done(unknown_outcome());
    });
  });
}

gateway::~gateway() {
  stop();
}

void gateway::call(registry_request request, answer done) {
  if (!actor_ || pending_->over) return done(make_error(errc::unavailable, "the API is shutting down"));
  auto id = ++pending_->last_id;
  pending_->answers.emplace(id, std::move(done));
  caf::anon_send(actor_, gateway_call{id, std::make_shared<const registry_request>(std::move(request))});
}

void gateway::stop() {
  if (actor_) caf::anon_send_exit(actor_, caf::exit_reason::user_shutdown);
  actor_ = nullptr;
}

} // namespace podium::api
