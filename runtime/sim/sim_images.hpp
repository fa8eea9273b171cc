// The image port over simulated registries: what is there, how long a pull takes, and how often it fails.
#pragma once
#include "core/base_actor.hpp"
#include "messages/interfaces.hpp"

#include <set>

namespace podium {

/// How one kind of image behaves.
struct sim_image {
  bool present = false; ///< on the node from the start
  nanoseconds pull_delay{0};
  int32_t fail_pulls = 0; ///< how many first pulls fail; -1 is all
  std::string failure = "simulated registry failure";
  bool broken = false; ///< looking at it fails: image_inspect
  int64_t size_bytes = 1 << 20;
  std::string password; ///< that one of a pull's logins must have; "" needs none
};

/// The images of one node; outlives the actors that ask. References are normalised: `busybox` is
/// `docker.io/library/busybox:latest`. What cannot be a reference is image_name.
class sim_image_store {
public:
  /// `pattern` is a glob over the reference as the pod writes it; the latest that fits counts. Without a fit
  /// an image is pulled at once.
  void set(std::string pattern, sim_image image);

  caf::expected<image_info> inspect(const std::string& image) const;
  /// What the pull will give; it counts as tried now and is there after finish().
  caf::expected<image_info> begin_pull(const std::string& image,
                                       const std::vector<registry_login>& logins = {});
  void finish_pull(const std::string& image);
  nanoseconds pull_delay(const std::string& image) const { return find(image).pull_delay; }
  int64_t size_of(const std::string& image) const { return find(image).size_bytes; }
  void remove(const std::string& image);
  image_list list() const;
  /// When an image was last asked for: `id` of an answer.
  void asked(const std::string& id, wall_time when) { asked_[id] = when; }
  /// Removes the image with this id, and remembers it in `removed`.
  void remove_id(const std::string& id);

  /// The disk: what is left of it beside the images.
  int64_t capacity_bytes = 0, other_bytes = 0;
  image_disk disk() const;
  std::set<std::string> used;        ///< ids that containers have: their removal is refused
  std::vector<std::string> removed;  ///< names of the images that were removed, in order
  std::vector<std::string> given_up; ///< images whose pull ended with who asked for it, in order
  /// Pulls tried of `image`.
  uint64_t pulls(const std::string& image) const;

private:
  const sim_image& find(const std::string& image) const;

  std::vector<std::pair<std::string, sim_image>> by_pattern_;
  sim_image default_;
  std::map<std::string, image_info> present_; // by normalised reference
  std::set<std::string> removed_;
  std::map<std::string, wall_time> asked_;
  std::map<std::string, uint64_t> pulls_;
};

/// Simulated images of one node.
class sim_images final : public base_actor<image_service_actor> {
public:
  sim_images(caf::actor_config& cfg, env_ptr env, std::string path, std::shared_ptr<sim_image_store> store);

protected:
  behavior_type handlers() override;

private:
  std::shared_ptr<sim_image_store> store_;
  struct pull_under_way {
    std::string image;
    deadline_set::id end = 0;
  };
  std::map<std::string, clock_time> begun_;            ///< pulls under way
  std::map<caf::actor_addr, pull_under_way> asked_by_; ///< they end with who asked for them
};

} // namespace podium
