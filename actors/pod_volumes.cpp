// The pod's part in volumes and references: it says what its spec refers to, has the volumes made from what
// it hears, again after every change, and removed at its end.
#include "actors/pod.hpp"

namespace podium {
namespace {

/// Source: the kubelet asks for a new token when less than a fifth of its life is left.
wall_time refresh_time(wall_time now, wall_time expires_at) {
  return now + (expires_at - now) / 5 * 4;
}
constexpr std::chrono::seconds token_retry{60};

std::string mount_failure(const volume_place& failed) {
  if (failed.error.starts_with("error processing PVC"))
    return "Unable to attach or mount volumes: unmounted volumes=[" + failed.name
           + "], unattached volumes=[], failed to process volumes=[" + failed.name + "]: " + failed.error;
  return "MountVolume.SetUp failed for volume \"" + failed.name + "\" : " + failed.error;
}

} // namespace

// -- what the spec refers to
// ------------------------------------------------------------------------------------------

void pod_supervisor::follow(bool again) {
  if (torn_down_ || !parent_) return;
  auto keys = references_of(*object_, inputs_.ptr.get());
  if (!again && keys == volume_.followed) return;
  if (keys.empty() && volume_.followed.empty()) return;
  volume_.awaiting = volume_.awaiting || (keys != volume_.followed && !keys.empty());
  volume_.followed = keys;
  this->send(parent_, follow_objects{object_->uid(), std::move(keys)});
}

void pod_supervisor::take_inputs(const memory_ref<pod_inputs>& inputs) {
  volume_.awaiting = false;
  auto same = [](const object_ref& a, const object_ref& b) {
    return a->uid() == b->uid() && a->resource_version() == b->resource_version();
  };
  bool news =
      !inputs_ || inputs_->objects.size() != inputs->objects.size()
      || !std::equal(inputs_->objects.begin(), inputs_->objects.end(), inputs->objects.begin(),
                     [&](auto& a, auto& b) { return a.first == b.first && same(a.second, b.second); });
  if (news) {
    inputs_ = inputs;
    ++inputs_version_;
    volume_.changed = true;
    volume_.retry_delay = nanoseconds{0};
    cancel(volume_.retry);
  }
  step();
}

input_facts pod_supervisor::facts_for_inputs() const {
  static const pod_inputs nothing;
  input_facts facts;
  facts.ref = object_.ptr.get();
  facts.inputs = inputs_ ? inputs_.ptr.get() : &nothing;
  facts.pod_ip = memory_.pod_ip;
  facts.host_ip = internal_ip_of(ctx_->machine);
  facts.allocatable = ctx_->machine.allocatable;
  return facts;
}

// -- volumes
// ----------------------------------------------------------------------------------------------------------

bool pod_supervisor::volumes_ready() const {
  return volume_.made || (volume_.followed.empty() && object_->as_pod().spec.volumes.empty());
}

void pod_supervisor::step_volumes() {
  if (memory_.terminating) {
    cancel(volume_.retry);
    cancel(volume_.check);
    cancel(volume_.refresh);
    if (torn_down_ && parent_ && !std::exchange(volume_.followed, {}).empty())
      this->send(parent_, follow_objects{object_->uid(), {}});
    return;
  }
  follow();
  auto& p = object_->as_pod();
  // What downwardAPI volumes show.
  if (volume_.labels != p.metadata.labels || volume_.annotations != p.metadata.annotations) {
    volume_.labels = p.metadata.labels;
    volume_.annotations = p.metadata.annotations;
    volume_.changed = true;
  }
  if (!has_sandbox_ || renewing_ || volume_.asking || !volume_.changed || volume_.retry) return;
  if (!volume_.followed.empty() && (!inputs_ || volume_.awaiting)) return;
  if (p.spec.volumes.empty()) {
    volume_.made = true;
    volume_.changed = false;
  } else if (fetch_tokens()) {
    volume_.changed = false;
    token_map held;
    for (auto& [where, token] : tokens_)
      if (!token.issued.token.empty()) held[where] = token.issued.token;
    set_wishes(volumes_of(facts_for_inputs(), held));
  }
}

bool pod_supervisor::fetch_tokens() {
  bool all = true;
  auto next = wall_time::max();
  for (auto& wish : tokens_of(facts_for_inputs())) {
    std::pair where{wish.volume, wish.path};
    auto& held = tokens_[where];
    bool valid = !held.issued.token.empty() && wall_now() < held.issued.expires_at;
    all = all && valid;
    if (valid && wall_now() < held.refresh_at) next = std::min(next, held.refresh_at);
    if (held.asking || (valid && wall_now() < held.refresh_at)) continue;
    held.asking = true;
    ask(
        ctx_->tokens, ctx_->settings.request_timeout,
        [this, where](const issued_token& issued) {
          tokens_[where] = {issued, refresh_time(wall_now(), issued.expires_at), false};
          volume_.changed = true;
          step();
        },
        [this, where, valid](const caf::error& err) {
          auto& failed = tokens_[where];
          failed.asking = false;
          volume_.changed = true;
          if (valid) {
            failed.refresh_at = wall_now() + token_retry;
            return step();
          }
          event("Warning", "FailedMount",
                mount_failure({where.first, "", "failed to fetch token: " + message_of(err)}));
          retry_volumes();
        },
        wish.request);
  }
  cancel(volume_.refresh);
  if (next != wall_time::max())
    volume_.refresh = at(env()->epoch.to_clock(next), [this] {
      volume_.refresh = 0;
      volume_.changed = true;
      step();
    });
  return all;
}

void pod_supervisor::set_wishes(volume_plan plan) {
  auto& security = object_->as_pod().spec.security_context_;
  set_volumes request{object_->uid(), -1, false, std::move(plan.wishes)};
  if (security) {
    request.fs_group = security->fs_group.value_or(-1);
    request.on_root_mismatch = security->fs_group_change_policy == "OnRootMismatch";
  }
  volume_.asking = true;
  volume_.removed = false;
  ask(
      ctx_->volumes, ctx_->settings.request_timeout,
      [this, failures = plan.failures](const volumes_set& made) {
        volume_.asking = false;
        take_places(made, failures);
      },
      [this](const caf::error& err) {
        volume_.asking = false;
        event("Warning", "FailedMount", "MountVolume.SetUp failed: " + message_of(err));
        retry_volumes();
      },
      request);
}

void pod_supervisor::take_places(const volumes_set& made, std::vector<volume_place> failures) {
  for (auto& place : made.volumes) {
    if (!place.error.empty()) {
      failures.push_back(place);
    } else if (auto& known = places_[place.name]; known != place.path) {
      known = place.path;
      ++inputs_version_;
    }
  }
  if (failures.empty()) {
    volume_.made = true;
    volume_.retry_delay = nanoseconds{0};
    watch_sizes();
    return step();
  }
  for (auto& failed : failures)
    event("Warning", "FailedMount", mount_failure(failed));
  retry_volumes();
}

/// Source: the kubelet's volume operations back off from half a second, doubling up to 2 min 2 s.
void pod_supervisor::retry_volumes() {
  auto& delay = volume_.retry_delay;
  delay = delay == nanoseconds{0} ? ctx_->settings.mount_retry
                                  : std::min(delay * 2, ctx_->settings.mount_retry_max);
  volume_.changed = true;
  cancel(volume_.retry);
  volume_.retry = after(delay, [this] {
    volume_.retry = 0;
    step();
  });
  step();
}

// -- their size
// -------------------------------------------------------------------------------------------------------

void pod_supervisor::watch_sizes() {
  auto& volumes = object_->as_pod().spec.volumes;
  bool limited = std::any_of(volumes.begin(), volumes.end(),
                             [](auto& v) { return v.empty_dir && v.empty_dir->size_limit; });
  if (!limited || volume_.check || memory_.terminating) return;
  volume_.check = after(ctx_->settings.volume_check, [this] {
    volume_.check = 0;
    ask(
        ctx_->volumes, ctx_->settings.request_timeout,
        [this](const volume_usage& usage) { look_at_sizes(usage); },
        [this](const caf::error&) { watch_sizes(); }, get_volume_usage{object_->uid()});
  });
}

void pod_supervisor::look_at_sizes(const volume_usage& usage) {
  auto text = size_eviction_of(object_->as_pod().spec, usage);
  if (text.empty() || memory_.terminating) return watch_sizes();
  memory_.reason = "Evicted";
  memory_.message = text;
  event("Warning", "Evicted", text);
  step();
}

// -- the end
// ----------------------------------------------------------------------------------------------------------

void pod_supervisor::end_volumes() {
  if (object_->as_pod().spec.volumes.empty()) {
    volume_.removed = true;
    return tear_down();
  }
  busy_ = true;
  ask(
      ctx_->volumes, ctx_->settings.request_timeout,
      [this](const ack&) {
        busy_ = false;
        volume_.removed = true;
        places_.clear();
        step();
      },
      [this](const caf::error&) {
        busy_ = false;
        retry_later(teardown_retry_);
      },
      remove_volumes{object_->uid()});
}

} // namespace podium
