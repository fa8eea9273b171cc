// Which images are removed when their disk is full: a pure function of the disk, the images and the time.
#pragma once
#include "messages/node_settings.hpp"
#include "messages/runtime.hpp"

namespace podium {

/// An image as the collector knows it.
struct image_use {
  wall_time detected; ///< when it was first seen
  wall_time used;     ///< when it was last seen in use, or asked for
};
using image_uses = std::map<std::string, image_use>; ///< by image id

/// Takes in what is there: new images are detected `detected_at`, those that containers have are used now,
/// those that are gone are forgotten.
void note_images(image_uses& known, const image_list& images, const runtime_records& records,
                 wall_time detected_at, wall_time now);

struct image_gc_plan {
  std::string problem;                                     ///< "" or why no plan can be made
  int64_t wanted_bytes = 0;                                ///< 0: the disk is not too full
  std::vector<std::pair<std::string, int64_t>> candidates; ///< id and size, the first to go first
};

/// Plans a collection. From the high threshold on, as much is wanted as brings the disk to the low one; what
/// is in use now or younger than the least age stays; the least recently used goes first, then the one first
/// seen. Source: the kubelet's image garbage collection.
image_gc_plan plan_image_gc(const image_gc_settings& settings, const image_disk& disk,
                            const image_list& images, const image_uses& uses, wall_time now);

} // namespace podium
