// The way from the loop to the registry and back: requests become messages with deadlines, answers come by
// post().
#pragma once
#include "core/actor_env.hpp"
#include "messages/interfaces.hpp"
#include "runtime/loop/event_loop.hpp"

#include <functional>
#include <map>
#include <memory>
#include <variant>

namespace podium::api {

/// What may be asked of the registry from here.
using registry_request = std::variant<create_object, update_object, bind_pod, delete_object>;

/// One question on its way: the id finds the asker again.
struct gateway_call {
  uint64_t id = 0;
  std::shared_ptr<const registry_request> request;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, gateway_call& x) {
  return f(caf::meta::type_name("gateway_call"), x.id);
}

using gateway_actor = caf::typed_actor<caf::reacts_to<gateway_call>>;

/// The loop's side. Loop thread only, but for the constructor and stop().
class gateway {
public:
  /// Creates and updates answer with `removed` false.
  using answer = std::function<void(caf::expected<delete_result>)>;

  /// `timeout` bounds every question.
  gateway(caf::actor_system& system, env_ptr env, event_loop& loop, registry_actor registry,
          nanoseconds timeout);
  ~gateway();
  gateway(const gateway&) = delete;
  gateway& operator=(const gateway&) = delete;

  /// Asks; `done` is called once, on the loop thread, unless the loop or the gateway ends before. Error
  /// errc::unavailable also when the actor fails: what became of the request is then not known.
  void call(registry_request request, answer done);
  /// Ends the actor; nothing is answered any more.
  void stop();
  /// For who watches over it.
  const gateway_actor& actor() const { return actor_; }

  /// The questions under way. Callbacks die on the loop thread: only ids leave it.
  struct pending {
    uint64_t last_id = 0;
    bool over = false; ///< the actor has ended
    std::map<uint64_t, answer> answers;
  };

private:
  std::shared_ptr<pending> pending_;
  gateway_actor actor_;
};

} // namespace podium::api

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(podium::api::gateway_call)
