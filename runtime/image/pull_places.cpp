#include "runtime/image/pull_places.hpp"

#include <algorithm>
#include <utility>

namespace podium {

namespace {

/// One that hangs takes its own places, not those of this many others.
constexpr unsigned most_registries = 10;

} // namespace

bool pull_places::room_at(const std::string& registry) const {
  if (!registry.empty() && remote_ >= each_ * most_registries) return false;
  auto there = count_.find(registry);
  return there == count_.end() || there->second < each_;
}

void pull_places::enter(const waiter& next) {
  taken_.emplace(next.place, next.registry);
  ++count_[next.registry];
  if (!next.registry.empty()) ++remote_;
}

uint64_t pull_places::take(std::string registry, std::function<void()> go) {
  waiter mine{++last_, std::move(registry), std::move(go)};
  auto place = mine.place;
  if (room_at(mine.registry)) {
    enter(mine);
    mine.go();
  } else {
    waiting_.push_back(std::move(mine));
  }
  return place;
}

void pull_places::leave(uint64_t place) {
  std::erase_if(waiting_, [&](auto& w) { return w.place == place; });
  auto mine = taken_.find(place);
  if (mine == taken_.end()) return;
  if (!mine->second.empty()) --remote_;
  if (auto there = count_.find(mine->second); --there->second == 0) count_.erase(there);
  taken_.erase(mine);
  // One place came free, so that one of those who wait can go.
  auto next = std::find_if(waiting_.begin(), waiting_.end(), [&](auto& w) { return room_at(w.registry); });
  if (next == waiting_.end()) return;
  auto chosen = std::move(*next);
  waiting_.erase(next);
  enter(chosen);
  chosen.go();
}

bool pull_places::waits(uint64_t place) const {
  return std::any_of(waiting_.begin(), waiting_.end(), [&](auto& w) { return w.place == place; });
}

} // namespace podium
