#include "actors/image_gc_rules.hpp"

#include <algorithm>
#include <set>

namespace podium {

void note_images(image_uses& known, const image_list& images, const runtime_records& records,
                 wall_time detected_at, wall_time now) {
  std::set<std::string> there, used;
  for (auto& c : records.containers)
    used.insert(c.image_id);
  for (auto& image : images.images) {
    there.insert(image.id);
    auto& use = known.try_emplace(image.id, image_use{detected_at, {}}).first->second;
    // Containers know theirs by a digest in a repository, of which it may have several.
    bool in_use = used.contains(image.id) || used.contains(image.repo_digest)
                  || std::any_of(image.names.begin(), image.names.end(),
                                 [&](auto& name) { return used.contains(name); });
    use.used = in_use ? now : std::max(use.used, image.asked_at);
  }
  std::erase_if(known, [&](auto& entry) { return !there.contains(entry.first); });
}

image_gc_plan plan_image_gc(const image_gc_settings& settings, const image_disk& disk,
                            const image_list& images, const image_uses& uses, wall_time now) {
  image_gc_plan plan;
  if (disk.capacity_bytes <= 0) {
    plan.problem = "invalid capacity 0 on image filesystem";
    return plan;
  }
  auto available = std::clamp<int64_t>(disk.available_bytes, 0, disk.capacity_bytes);
  auto usage_percent = 100 - available * 100 / disk.capacity_bytes;
  if (usage_percent < settings.high_threshold_percent) return plan;
  plan.wanted_bytes = disk.capacity_bytes * (100 - settings.low_threshold_percent) / 100 - available;
  if (plan.wanted_bytes <= 0) return plan;
  struct candidate {
    image_use use;
    const image_info* image;
  };
  std::vector<candidate> order;
  for (auto& image : images.images) {
    auto known = uses.find(image.id);
    if (known == uses.end() || known->second.used >= now) continue;
    auto& use = known->second;
    // One that was just asked for is about to be used: a container is being made of it.
    if (now - use.detected < settings.min_age || now - image.asked_at < settings.min_age) continue;
    order.push_back({use, &image});
  }
  std::sort(order.begin(), order.end(), [](auto& a, auto& b) {
    return std::tie(a.use.used, a.use.detected, a.image->id)
           < std::tie(b.use.used, b.use.detected, b.image->id);
  });
  for (auto& c : order)
    plan.candidates.emplace_back(c.image->id, c.image->size_bytes);
  return plan;
}

} // namespace podium
