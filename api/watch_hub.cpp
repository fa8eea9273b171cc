#include "api/watch.hpp"
#include "api/watcher.hpp"

namespace podium::api {
namespace {

constexpr size_t batch_limit = 256;
constexpr size_t max_cached_bytes = 2 * 1024 * 1024;
/// Watchers read what is published within a moment, and later ones render what they need themselves.
constexpr std::chrono::seconds cached_for{2};
constexpr std::chrono::milliseconds long_turn{1}, longest_rest{10};

std::string_view name_of(seen_as as) {
  switch (as) {
  case seen_as::added:
    return "ADDED";
  case seen_as::deleted:
    return "DELETED";
  default:
    return "MODIFIED";
  }
}

} // namespace

seen_as seen_through(watch_type type, bool matched_before, bool matches_now) {
  if (type == watch_type::deleted) return matched_before ? seen_as::deleted : seen_as::nothing;
  if (matches_now) return matched_before ? seen_as::modified : seen_as::added;
  return matched_before ? seen_as::deleted : seen_as::nothing;
}

object_ref shown_object(const watch_event& event, seen_as as) {
  if (as != seen_as::deleted || event.type == watch_type::deleted || !event.previous) return event.object;
  return {std::make_shared<const object>(event.object->key(), event.resource_version,
                                         event.previous->document())};
}

std::string watch_line(const resource& r, std::string_view type, const object& obj, const output& form,
                       wall_time now, bool with_columns) {
  auto shown = render_watched(r, obj, form, now, with_columns);
  std::string line;
  line.reserve(type.size() + shown.size() + 24); // exactly as much: lines are kept for a while
  line.append("{\"type\":\"").append(type).append("\",\"object\":").append(shown).append("}\n");
  return line;
}

watch_hub::watch_hub(event_loop& loop, registry_view& view, std::function<wall_time()> now)
    : loop_(loop), view_(view), now_(std::move(now)) {}

watch_hub::~watch_hub() = default;

void watch_hub::published(const std::string& resource) {
  {
    std::lock_guard guard{dirty_mutex_};
    if (stopped_) return;
    bool first = dirty_.empty();
    dirty_.insert(resource);
    if (!first) return;
  }
  loop_.post([weak = weak_from_this()] {
    if (auto self = weak.lock()) self->wake();
  });
}

/// Many watchers take long, and what is published meanwhile may take all of the loop: after a long turn
/// everybody else has a turn, and the watchers get more at once.
void watch_hub::wake() {
  if (resting_) return;
  auto began = std::chrono::steady_clock::now();
  std::set<std::string> resources;
  {
    std::lock_guard guard{dirty_mutex_};
    resources.swap(dirty_);
  }
  for (auto& resource : resources) {
    auto i = watchers_.find(resource);
    if (i == watchers_.end()) continue;
    auto list = i->second; // a watcher may leave while it writes
    for (auto& w : list)
      w->pump();
  }
  auto took = std::chrono::steady_clock::now() - began;
  if (took < long_turn) return;
  resting_ = true;
  loop_.after(std::min<nanoseconds>(took, longest_rest), [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    self->resting_ = false;
    self->wake();
  });
}

void watch_hub::add(std::string_view resource, const std::shared_ptr<watcher>& w) {
  if (watchers_[std::string{resource}].insert(w).second) ++count_;
}

void watch_hub::remove(std::string_view resource, const std::shared_ptr<watcher>& w) {
  auto i = watchers_.find(resource);
  if (i != watchers_.end() && i->second.erase(w) > 0) --count_;
}

void watch_hub::stop() {
  {
    std::lock_guard guard{dirty_mutex_};
    stopped_ = true;
  }
  auto all = std::move(watchers_);
  watchers_.clear();
  count_ = 0;
  for (auto& [resource, list] : all)
    for (auto& w : list)
      w->finish();
}

watch_hub::batch watch_hub::events_after(std::string_view resource, uint64_t since) {
  auto version = view_.resource_version();
  auto& slot = batches_[std::string{resource}];
  if (slot.events && slot.since == since && slot.version == version) return slot.events;
  auto events = view_.events_after(resource, since, batch_limit);
  if (!events) return nullptr;
  slot = {since, version, std::make_shared<const std::vector<watch_event>>(std::move(*events))};
  return slot.events;
}

std::shared_ptr<const std::string> watch_hub::line(const resource& r, const watch_event& event, seen_as as,
                                                   const output& form) {
  auto t = now();
  auto second = std::chrono::duration_cast<std::chrono::seconds>(t.time_since_epoch()).count();
  line_key key{&r, event.resource_version, as, form};
  if (auto i = lines_.find(key); i != lines_.end()) {
    if (form.form != output_form::table || i->second.second == second) return i->second.text;
    line_bytes_ -= i->second.text->size();
    lines_.erase(i);
  }
  auto text = std::make_shared<const std::string>(
      watch_line(r, name_of(as), *shown_object(event, as), form, t, false));
  if (line_bytes_ + text->size() > max_cached_bytes) lines_.clear(), line_bytes_ = 0;
  if (lines_.emplace(key, cached_line{text, second}).second) line_bytes_ += text->size();
  forget_later();
  return text;
}

void watch_hub::forget_later() {
  if (forgetting_) return;
  forgetting_ = true;
  loop_.after(cached_for, [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    self->forgetting_ = false;
    self->lines_.clear();
    self->line_bytes_ = 0;
    self->batches_.clear();
  });
}

} // namespace podium::api
