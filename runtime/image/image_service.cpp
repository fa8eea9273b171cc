#include "runtime/image/image_service.hpp"
#include "core/base_actor.hpp"
#include "runtime/loop/loop_reply.hpp"

namespace podium {

namespace {

// What the answers, which are given on the loop's thread, share.
struct service_state {
  image_store& store;
  images_in_use in_use;
  env_ptr env;
  std::map<std::string, wall_time> asked;                   // by image id
  std::map<caf::actor_addr, std::set<uint64_t>> pulls = {}; // that are not answered yet, by who asked

  image_info answer(const image_record& image, const std::string& name) {
    auto info = to_image_info(image, name);
    info.asked_at = asked[image.id] = env->epoch.at(std::chrono::steady_clock::now());
    return info;
  }

  static void pull(const std::shared_ptr<service_state>& self, const pull_image& m,
                   const caf::actor_addr& who, const loop_reply<image_info>& reply) {
    auto request = std::make_shared<std::optional<uint64_t>>(0); // none: it has been answered
    auto id = self->store.pull(m.image, m.logins,
                               [self, who, request, reply, name = m.image](caf::expected<image_ptr> pulled) {
                                 if (auto mine = self->pulls.find(who); mine != self->pulls.end()) {
                                   mine->second.erase(request->value_or(0));
                                   if (mine->second.empty()) self->pulls.erase(mine);
                                 }
                                 request->reset();
                                 if (!pulled) return reply(std::move(pulled.error()));
                                 reply(self->answer(**pulled, name));
                               });
    if (*request) self->pulls[who].insert(request->emplace(id));
  }

  /// Who has ended waits for nothing.
  void withdraw(const caf::actor_addr& who) {
    auto gone = pulls.extract(who);
    if (gone.empty()) return;
    for (auto request : gone.mapped())
      store.withdraw(request);
  }
};

class image_service : public base_actor<image_service_actor> {
public:
  image_service(caf::actor_config& cfg, env_ptr env, event_loop& loop, image_store& store,
                images_in_use in_use)
      : base_actor(cfg, env, "port/images"), loop_(loop),
        state_(std::make_shared<service_state>(service_state{store, std::move(in_use), env, {}})) {
    this->set_down_handler([this](const caf::down_msg& down) {
      loop_.post([state = state_, who = down.source] { state->withdraw(who); });
    });
  }

protected:
  behavior_type handlers() override {
    return {
        [this](const inspect_image& m) {
          return answer_from_loop<image_info>(this, loop_, [state = state_, name = m.image](auto reply) {
            auto found = state->store.find(name);
            if (!found) return reply(std::move(found.error()));
            reply(state->answer(**found, name));
          });
        },
        [this](const pull_image& m) {
          auto& asker = this->current_sender();
          if (asker) this->monitor(asker);
          return answer_from_loop<image_info>(
              this, loop_, [state = state_, m, who = caf::actor_cast<caf::actor_addr>(asker)](auto reply) {
                service_state::pull(state, m, who, reply);
              });
        },
        [this](const get_pull_progress& m) {
          return answer_from_loop<pull_progress>(this, loop_, [state = state_, name = m.image](auto reply) {
            reply(state->store.progress(name));
          });
        },
        [this](const list_images&) {
          return answer_from_loop<image_list>(this, loop_, [state = state_](auto reply) {
            image_list result;
            for (auto& image : state->store.list()) {
              auto& info = result.images.emplace_back(
                  to_image_info(*image, image->names.empty() ? std::string{} : image->names[0]));
              if (auto known = state->asked.find(image->id); known != state->asked.end())
                info.asked_at = known->second;
            }
            reply(std::move(result));
          });
        },
        [this](const remove_image& m) {
          return answer_from_loop<ack>(this, loop_, [state = state_, id = m.id](auto reply) {
            state->store.remove(id, state->in_use(), [state, reply, id](caf::error err) {
              if (err && code_of(err) != errc::not_found) return reply(std::move(err));
              state->asked.erase(id);
              reply(ack{});
            });
          });
        },
        [this](const get_image_disk&) {
          return answer_from_loop<image_disk>(this, loop_, [state = state_](auto reply) {
            state->store.disk([reply](caf::expected<image_disk> disk) { reply(std::move(disk)); });
          });
        },
    };
  }

private:
  event_loop& loop_;
  std::shared_ptr<service_state> state_;
};

} // namespace

image_info to_image_info(const image_record& image, const std::string& asked) {
  image_info info;
  info.id = image.id;
  auto reference = parse_image_reference(asked);
  info.repo_digest = image.repo_digest(reference ? reference->name() : std::string{});
  // Digests first, as the kubelet shows them in the node's status.
  info.names = image.digests;
  info.names.insert(info.names.end(), image.names.begin(), image.names.end());
  info.size_bytes = static_cast<int64_t>(image.size_bytes);
  return info;
}

image_service_actor spawn_image_service(caf::actor_system& system, env_ptr env, event_loop& loop,
                                        image_store& store, images_in_use in_use) {
  return system.spawn<image_service>(std::move(env), std::ref(loop), std::ref(store), std::move(in_use));
}

} // namespace podium
