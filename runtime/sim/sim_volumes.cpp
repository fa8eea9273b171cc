#include "runtime/sim/sim_volumes.hpp"

namespace podium {

sim_volumes::sim_volumes(caf::actor_config& cfg, env_ptr env, std::string path,
                         std::shared_ptr<sim_volume_store> store)
    : base_actor(cfg, std::move(env), std::move(path)), store_(std::move(store)) {}

sim_volumes::behavior_type sim_volumes::handlers() {
  return {
      [this](const set_volumes& x) -> caf::result<volumes_set> {
        if (store_->delay == nanoseconds{0}) return set(x);
        auto promise = make_response_promise<volumes_set>();
        auto begun = store_->begun.emplace(x.pod_uid, now()).first->second;
        at(begun + store_->delay, [this, promise, x]() mutable {
          store_->begun.erase(x.pod_uid);
          promise.deliver(set(x));
        });
        return promise;
      },
      [this](const remove_volumes& x) {
        store_->pods.erase(x.pod_uid);
        return ack{};
      },
      [this](const get_volume_usage& x) {
        volume_usage out;
        for (auto& [name, wish] : store_->pods[x.pod_uid])
          if (wish.kind == volume_kind::directory || wish.kind == volume_kind::memory)
            out.used_bytes[name] = store_->used_bytes[name];
        return out;
      },
      [this](const make_volume_directory& x) {
        auto path = "/volumes/" + x.volume_name;
        if (x.remove)
          store_->directories.erase(x.volume_name);
        else
          store_->directories[x.volume_name] = path;
        return volume_directory{path};
      },
  };
}

volumes_set sim_volumes::set(const set_volumes& request) {
  volumes_set out;
  ++store_->times_set[request.pod_uid];
  auto& volumes = store_->pods[request.pod_uid];
  for (auto& wish : request.volumes) {
    ++store_->times_made[wish.name];
    volume_place place{wish.name, "/pods/" + request.pod_uid + "/" + wish.name, ""};
    if (wish.kind == volume_kind::host_path) place.path = wish.path;
    if (auto i = store_->errors.find(wish.name); i != store_->errors.end())
      place.error = i->second;
    else
      volumes[wish.name] = wish;
    out.volumes.push_back(std::move(place));
  }
  return out;
}

sim_tokens::sim_tokens(caf::actor_config& cfg, env_ptr env, std::string path,
                       std::shared_ptr<sim_volume_store> store)
    : base_actor(cfg, std::move(env), std::move(path)), store_(std::move(store)) {}

sim_tokens::behavior_type sim_tokens::handlers() {
  return {[this](const request_token& x) -> caf::result<issued_token> {
    if (!store_->token_error.empty()) return make_error(errc::not_found, store_->token_error);
    auto life = store_->token_life > nanoseconds{0} ? store_->token_life
                                                    : nanoseconds{std::chrono::seconds{x.expiration_seconds}};
    return issued_token{"token-" + std::to_string(++store_->tokens_issued), wall_now() + life};
  }};
}

} // namespace podium
