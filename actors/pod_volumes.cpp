// The pod's part in volumes and references: it says what its spec refers to, has the volumes made from what
// it hears, again after every change, and removed at its end.
#include "actors/pod.hpp"

namespace podium {
namespace {

/// Source: the kubelet asks for a new token when less than a fifth of its life is left, or when it is a day
/// old.
constexpr std::chrono::hours token_age{24};
wall_time refresh_time(wall_time now, wall_time expires_at) {
  return now + std::min<nanoseconds>((expires_at - now) / 5 * 4, token_age);
}
constexpr std::chrono::seconds token_retry{60};

/// The same for wishes that say the same.
uint64_t signature_of(const volume_wish& wish) {
  uint64_t hash = fnv1a(wish.name);
  auto add = [&](std::string_view text) {
    hash = fnv1a(text, fnv1a(std::to_string(text.size()) + ":", hash));
  };
  for (auto number : {static_cast<int64_t>(wish.kind), wish.size_limit_bytes, int64_t{wish.read_only},
                      int64_t{wish.group_owned}, int64_t{wish.in_memory}})
    add(std::to_string(number));
  add(wish.path);
  add(wish.type);
  for (auto& file : wish.files) {
    add(file.path);
    add(std::to_string(file.mode) + " " + std::to_string(file.user));
    add(file.data ? std::string_view{*file.data} : std::string_view{});
  }
  return hash;
}

/// What lies on the node beyond the pod's life, and what does not. A claim's volume that is given to a group
/// leaves a mark beside the pod's own.
bool has_own_volumes(const pod_spec& spec) {
  bool grouped = spec.security_context_ && spec.security_context_->fs_group;
  return std::any_of(spec.volumes.begin(), spec.volumes.end(),
                     [&](auto& v) { return v.persistent_volume_claim ? grouped : !v.host_path; });
}

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
    volume_.retry_delay = nanoseconds{0};
    volumes_changed();
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

/// What is new is made at once, also while volumes that failed wait for their time.
void pod_supervisor::volumes_changed() {
  volume_.changed = true;
  cancel(volume_.retry);
}

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
    volumes_changed();
  }
  if (volume_.asking || !volume_.changed || volume_.retry) return;
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
          volumes_changed();
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
      volumes_changed();
      step();
    });
  return all;
}

/// Only what is not so already: to make a volume again is work on files that the pod's processes have.
void pod_supervisor::set_wishes(volume_plan plan) {
  auto& security = object_->as_pod().spec.security_context_;
  set_volumes request{object_->uid(), -1, false, {}};
  if (security) {
    request.fs_group = security->fs_group.value_or(-1);
    request.on_root_mismatch = security->fs_group_change_policy == "OnRootMismatch";
  }
  std::map<std::string, uint64_t> asked;
  std::string names;
  for (auto& wish : plan.wishes) {
    auto signature = signature_of(wish);
    if (auto made = volume_.made_from.find(wish.name);
        made != volume_.made_from.end() && made->second == signature)
      continue;
    asked[wish.name] = signature;
    names += (names.empty() ? "" : " ") + wish.name;
    request.volumes.push_back(std::move(wish));
  }
  if (request.volumes.empty()) return take_places({}, plan.failures);
  volume_.asking = true;
  volume_.removed = false;
  ask(
      ctx_->volumes, ctx_->settings.request_timeout,
      [this, asked, failures = plan.failures](const volumes_set& made) {
        volume_.asking = false;
        for (auto& place : made.volumes)
          if (auto wish = asked.find(place.name); place.error.empty() && wish != asked.end())
            volume_.made_from[place.name] = wish->second;
        take_places(made, failures);
      },
      [this, names](const caf::error& err) {
        volume_.asking = false;
        if (code_of(err) == errc::timeout) return await_volumes(names);
        event("Warning", "FailedMount", "MountVolume.SetUp failed: " + message_of(err));
        retry_volumes();
      },
      request);
}

/// A walk over a large volume takes its time, a hung disk for ever. What has been begun goes on: who asks
/// again waits for the same.
void pod_supervisor::await_volumes(const std::string& names) {
  event("Warning", "FailedMount",
        "Unable to attach or mount volumes: unmounted volumes=[" + names
            + "], unattached volumes=[], failed to process volumes=[]: timed out waiting for the condition");
  volume_.changed = true;
  step();
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
  // What a pod has of the node is not taken away: nobody waits for a path that may hang.
  if (!has_own_volumes(object_->as_pod().spec)) {
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
