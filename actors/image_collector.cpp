#include "actors/image_collector.hpp"

namespace podium {

image_collector::image_collector(caf::actor_config& cfg, node_context_ptr ctx, std::string path)
    : base_actor(cfg, ctx->env, std::move(path)), ctx_(std::move(ctx)) {}

void image_collector::on_start() {
  busy_ = again_ = false;
  timer_ = 0;
  collect();
}

image_collector::behavior_type image_collector::handlers() {
  return {[this](const collect_images&) { collect(); }};
}

void image_collector::collect() {
  if (ctx_->settings.image_gc.high_threshold_percent >= 100) return;
  again_ = busy_;
  if (busy_) return;
  busy_ = true;
  cancel(timer_);
  look();
}

void image_collector::look() {
  auto r = std::make_shared<round>();
  auto failed = [this](const caf::error& err) { ended_with(message_of(err)); };
  auto timeout = ctx_->settings.request_timeout;
  auto plan = [this, r](const image_disk& disk) {
    r->plan = plan_image_gc(ctx_->settings.image_gc, disk, r->images, uses_, wall_now());
    if (!r->plan.problem.empty()) {
      event("InvalidDiskCapacity", r->plan.problem);
      return ended_with(r->plan.problem);
    }
    remove_next(r);
  };
  auto note = [this, r, plan, failed, timeout](const runtime_records& records) {
    note_images(uses_, r->images, records, looked_ ? wall_now() : wall_time{}, wall_now());
    looked_ = true;
    ask(ctx_->images, timeout, plan, failed, get_image_disk{});
  };
  ask(
      ctx_->images, timeout,
      [this, r, note, failed, timeout](const image_list& list) {
        r->images = list;
        ask(ctx_->runtime, timeout, note, failed, list_runtime{});
      },
      failed, list_images{});
}

void image_collector::remove_next(std::shared_ptr<round> r) {
  if (r->freed_bytes >= r->plan.wanted_bytes || r->next == r->plan.candidates.size()) return finish(*r);
  auto& [id, size] = r->plan.candidates[r->next++];
  ask(
      ctx_->images, ctx_->settings.request_timeout,
      [this, r, size = size](const ack&) {
        r->freed_bytes += size;
        remove_next(r);
      },
      [this, r](const caf::error& err) {
        // A container took it meanwhile: it is as if it had been in use before.
        if (code_of(err) != errc::conflict) r->errors.push_back(message_of(err));
        remove_next(r);
      },
      remove_image{id});
}

void image_collector::finish(const round& r) {
  auto wanted = std::to_string(r.plan.wanted_bytes), freed = std::to_string(r.freed_bytes);
  if (!r.errors.empty()) {
    std::string text = "wanted to free " + wanted + " bytes, but freed " + freed
                       + " bytes space with errors in image deletion: ";
    for (size_t i = 0; i < r.errors.size(); ++i)
      text += (i ? ", " : "") + r.errors[i];
    return ended_with(text);
  }
  if (r.freed_bytes >= r.plan.wanted_bytes) return ended_with({});
  auto text = "Failed to garbage collect required amount of images. Attempted to free " + wanted
              + " bytes, but only found " + freed + " bytes eligible to free.";
  event("FreeDiskSpaceFailed", text);
  ended_with(text);
}

void image_collector::ended_with(const std::string& problem) {
  // The first may come of a disk that is looked at while it changes.
  if (!problem.empty() && failed_before_) event("ImageGCFailed", problem);
  failed_before_ = !problem.empty();
  busy_ = false;
  if (std::exchange(again_, false)) return collect();
  timer_ = after(ctx_->settings.image_gc.period, [this] { collect(); });
}

void image_collector::event(const char* reason, const std::string& message) {
  auto& node = ctx_->settings.node_name;
  this->send(
      ctx_->recorder,
      record_event{{"nodes", "", node}, "Node", node, "", "Warning", reason, message, "kubelet", node});
}

} // namespace podium
