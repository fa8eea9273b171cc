#include "runtime/image/image_service.hpp"
#include "core/base_actor.hpp"
#include "runtime/loop/loop_reply.hpp"

namespace podium {

namespace {

class image_service : public base_actor<image_service_actor> {
public:
  image_service(caf::actor_config& cfg, env_ptr env, event_loop& loop, image_store& store)
      : base_actor(cfg, std::move(env), "port/images"), loop_(loop), store_(store) {}

protected:
  behavior_type handlers() override {
    return {
        [this](const inspect_image& m) {
          return answer_from_loop<image_info>(this, loop_, [&store = store_, name = m.image](auto reply) {
            auto found = store.find(name);
            if (!found) return reply(std::move(found.error()));
            reply(to_image_info(**found, name));
          });
        },
        [this](const pull_image& m) {
          return answer_from_loop<image_info>(this, loop_, [&store = store_, name = m.image](auto reply) {
            store.pull(name, {}, [reply, name](caf::expected<image_ptr> pulled) {
              if (!pulled) return reply(std::move(pulled.error()));
              reply(to_image_info(**pulled, name));
            });
          });
        },
        [this](const list_images&) {
          return answer_from_loop<image_list>(this, loop_, [&store = store_](auto reply) {
            image_list result;
            for (auto& image : store.list())
              result.images.push_back(
                  to_image_info(*image, image->names.empty() ? std::string{} : image->names[0]));
            reply(std::move(result));
          });
        },
    };
  }

private:
  event_loop& loop_;
  image_store& store_;
};

} // namespace

image_info to_image_info(const image_record& image, const std::string& asked) {
  image_info info;
  info.id = image.id;
  auto reference = parse_image_reference(asked);
  info.repo_digest = image.repo_digest(reference ? reference->name() : std::string{});
  info.names = image.names;
  info.size_bytes = static_cast<int64_t>(image.size_bytes);
  return info;
}

image_service_actor spawn_image_service(caf::actor_system& system, env_ptr env, event_loop& loop,
                                        image_store& store) {
  return system.spawn<image_service>(std::move(env), std::ref(loop), std::ref(store));
}

} // namespace podium
