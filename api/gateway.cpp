#include "api/gateway.hpp"

#include "core/base_actor.hpp"

namespace podium::api {
namespace {

class gateway_impl : public base_actor<gateway_actor> {
public:
  using post_back = std::function<void(uint64_t, caf::expected<delete_result>)>;

  gateway_impl(caf::actor_config& cfg, env_ptr env, registry_actor registry, nanoseconds timeout,
               post_back back)
      : base_actor(cfg, std::move(env), "api/gateway"), registry_(std::move(registry)), timeout_(timeout),
        back_(std::move(back)) {}

protected:
  behavior_type handlers() override {
    return {[this](const gateway_call& call) {
      std::visit([&](auto& request) { forward(call.id, request); }, *call.request);
    }};
  }
  void ended() override { registry_ = nullptr; }

private:
  void forward(uint64_t id, const delete_object& request) {
    ask(
        registry_, timeout_, [this, id](const delete_result& x) { back_(id, x); },
        [this, id](const caf::error& err) { back_(id, err); }, request);
  }
  template <class Request>
  void forward(uint64_t id, const Request& request) {
    ask(
        registry_, timeout_,
        [this, id](const object_ref& x) {
          back_(id, delete_result{x, false});
        },
        [this, id](const caf::error& err) { back_(id, err); }, request);
  }

  registry_actor registry_;
  const nanoseconds timeout_;
  const post_back back_;
};

} // namespace

gateway::gateway(caf::actor_system& system, env_ptr env, event_loop& loop, registry_actor registry,
                 nanoseconds timeout)
    : pending_(std::make_shared<pending>()) {
  std::weak_ptr<pending> weak = pending_;
  auto back = [&loop, weak](uint64_t id, caf::expected<delete_result> result) {
    auto shared = std::make_shared<caf::expected<delete_result>>(std::move(result));
    loop.post([weak, id, shared] {
      auto table = weak.lock();
      if (!table) return;
      auto node = table->answers.extract(id);
      if (!node.empty()) node.mapped()(std::move(*shared));
    });
  };
  actor_ = system.spawn<gateway_impl>(std::move(env), std::move(registry), timeout, std::move(back));
}

gateway::~gateway() {
  stop();
}

void gateway::call(registry_request request, answer done) {
  if (!actor_) return done(make_error(errc::unavailable, "the API is shutting down"));
  auto id = ++pending_->last_id;
  pending_->answers.emplace(id, std::move(done));
  caf::anon_send(actor_, gateway_call{id, std::make_shared<const registry_request>(std::move(request))});
}

void gateway::stop() {
  if (actor_) caf::anon_send_exit(actor_, caf::exit_reason::user_shutdown);
  actor_ = nullptr;
}

} // namespace podium::api
