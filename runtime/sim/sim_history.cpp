#include "runtime/sim/sim_history.hpp"

namespace podium {

std::string to_string(const sim_event& event) {
  std::string out =
      to_go_duration(event.at.time_since_epoch()) + " " + to_string(event.kind) + " " + event.key.pod_uid;
  if (!event.key.name.empty()) out += "/" + event.key.name + "#" + std::to_string(event.key.attempt);
  if (event.kind == sim_event_kind::exited) out += " code " + std::to_string(event.code);
  if (event.kind == sim_event_kind::signalled) out += " signal " + std::to_string(event.code);
  return event.note.empty() ? out : out + ": " + event.note;
}

void sim_history::add(sim_event event) {
  check(event);
  events_.push_back(std::move(event));
}

void sim_history::check(const sim_event& event) {
  auto broken = [&](const char* rule) { violations_.push_back(std::string{rule} + ": " + to_string(event)); };
  auto track = [&]() -> container_track& { return containers_[{event.key.pod_uid, event.key.name}]; };
  switch (event.kind) {
  case sim_event_kind::sandbox_created:
    if (!sandboxes_.insert(event.key.pod_uid).second) broken("two sandboxes of one pod");
    break;
  case sim_event_kind::sandbox_removed:
    for (auto i = containers_.lower_bound({event.key.pod_uid, ""});
         i != containers_.end() && i->first.first == event.key.pod_uid; ++i)
      if (!i->second.running.empty()) broken("a sandbox was removed under a running container");
    sandboxes_.erase(event.key.pod_uid);
    break;
  case sim_event_kind::created:
    if (track().last_attempt >= event.key.attempt) broken("an attempt did not grow");
    track().last_attempt = event.key.attempt;
    if (!sandboxes_.contains(event.key.pod_uid)) broken("a container was created without a sandbox");
    break;
  case sim_event_kind::started:
    if (track().last_attempt != event.key.attempt) broken("another attempt started than was created last");
    if (!track().running.empty()) broken("two instances of one container run");
    if (!sandboxes_.contains(event.key.pod_uid)) broken("a container started without a sandbox");
    track().running.insert(event.key.attempt);
    break;
  case sim_event_kind::exited:
    track().running.erase(event.key.attempt);
    break;
  case sim_event_kind::signalled:
  case sim_event_kind::removed:
  case sim_event_kind::refused:
    break;
  }
}

std::vector<sim_event> sim_history::of(sim_event_kind kind, std::string_view container,
                                       std::string_view pod_uid) const {
  std::vector<sim_event> out;
  for (auto& event : events_)
    if (event.kind == kind && event.key.name == container
        && (pod_uid.empty() || event.key.pod_uid == pod_uid))
      out.push_back(event);
  return out;
}

} // namespace podium
