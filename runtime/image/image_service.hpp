// The image store as the typed actor that the image puller talks to.
#pragma once
#include "core/actor_env.hpp"
#include "messages/interfaces.hpp"
#include "runtime/image/image_store.hpp"

namespace podium {

/// The ids of the images that containers have. Loop thread.
using images_in_use = std::function<std::set<std::string>()>;

/// `loop`, `store` (started) and what `in_use` looks at must outlive the actor.
image_service_actor spawn_image_service(caf::actor_system& system, env_ptr env, event_loop& loop,
                                        image_store& store, images_in_use in_use);

/// An image as messages show it; `asked` is the name it was asked by, which chooses the digest that is shown.
image_info to_image_info(const image_record& image, const std::string& asked);

} // namespace podium
