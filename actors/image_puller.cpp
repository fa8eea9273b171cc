#include "actors/image_puller.hpp"

#include <algorithm>

namespace podium {
namespace {
// A pull may be long; this bounds one that hangs.
constexpr auto pull_timeout = std::chrono::minutes{20};
// A pull that nobody waits for goes on for so long: a pod that is made anew, or a container whose actor was
// replaced, finds it under way.
constexpr auto unwanted_for = std::chrono::seconds{10};

class pull_asker final : public base_actor<pull_asker_actor> {
public:
  pull_asker(caf::actor_config& cfg, node_context_ptr ctx, std::string path)
      : base_actor(cfg, ctx->env, std::move(path)), ctx_(std::move(ctx)) {}

protected:
  behavior_type handlers() override {
    return {[this](const pull_image& what) {
      answer_ = this->make_response_promise<image_info>();
      ask(
          ctx_->images, pull_timeout, [this](const image_info& info) { answer_.deliver(info); },
          [this](const caf::error& err) { answer_.deliver(err); }, what);
      return answer_;
    }};
  }
  void on_start() override {
    if (answer_.pending()) answer_.deliver(make_error(errc::unavailable, "who asked for it was restarted"));
  }
  // A promise holds its own actor.
  void ended() override { answer_ = {}; }

private:
  const node_context_ptr ctx_;
  caf::typed_response_promise<image_info> answer_;
};

std::string progress_text(const std::string& image, const pull_progress& so_far, const std::string& since) {
  auto text = "Pulling image \"" + image + "\": ";
  if (so_far.unpacking) return text + "unpacking, " + since + " since it began";
  auto tenths = so_far.fetched_bytes / ((1 << 20) / 10);
  return text + std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " MiB fetched in " + since;
}
} // namespace

image_puller::image_puller(caf::actor_config& cfg, node_context_ptr ctx, node_actor node, std::string path)
    : base_actor(cfg, ctx->env, std::move(path)), ctx_(std::move(ctx)), node_(std::move(node)) {
  // Of who waits, whom it does not own, and of its askers.
  this->set_down_handler([this](const caf::down_msg& down) { gone(down.source); });
}

void image_puller::on_start() {
  // What was being asked for when an exception struck is asked again by who wants it.
  for (auto& [number, open] : open_)
    open.answer.deliver(make_error(errc::unavailable, "the image puller was restarted"));
  open_.clear();
  dismiss_askers();
  pulls_.clear();
}

void image_puller::ended() {
  // A promise holds its own actor: kept, it would keep the dead one for ever.
  open_.clear();
  dismiss_askers();
  pulls_.clear();
  node_ = nullptr;
}

image_puller::behavior_type image_puller::handlers() {
  return {[this](const ensure_image& request) {
            auto who = caf::actor_cast<caf::actor_addr>(this->current_sender()); // the promise takes it away
            auto answer_later = this->make_response_promise<image_info>();
            auto question = ++last_question_;
            open_.emplace(question, open_question{answer_later, std::move(who)});
            ensure(request, question);
            return answer_later;
          },
          [this](const forget_images&) { gone(caf::actor_cast<caf::actor_addr>(this->current_sender())); }};
}

void image_puller::answer(uint64_t question, caf::expected<image_info> result) {
  auto asked = open_.extract(question);
  if (asked.empty()) return;
  if (result)
    asked.mapped().answer.deliver(std::move(*result));
  else
    asked.mapped().answer.deliver(std::move(result.error()));
}

void image_puller::ensure(const ensure_image& request, uint64_t question) {
  // Also for Always: what can be no name is said before any registry is asked.
  ask(
      ctx_->images, ctx_->settings.request_timeout,
      [this, request, question](const image_info& info) {
        if (request.policy == "Always") return join(request, question);
        event(request, "Normal", "Pulled",
              "Container image \"" + request.image + "\" already present on machine");
        answer(question, info);
      },
      [this, request, question](const caf::error& err) {
        auto code = code_of(err);
        bool pulls = request.policy == "Always" || (code == errc::not_found && request.policy != "Never");
        if (pulls && code != errc::image_name) return join(request, question);
        if (code == errc::not_found) {
          auto text = "Container image \"" + request.image + "\" is not present with pull policy of Never";
          event(request, "Warning", "ErrImageNeverPull", text);
          return answer(question, make_error(errc::not_found, text));
        }
        if (code != errc::image_name && code != errc::image_inspect) return answer(question, err);
        auto text =
            (code == errc::image_name ? "Failed to apply default image tag \"" : "Failed to inspect image \"")
            + request.image + "\": " + message_of(err);
        event(request, "Warning", "InspectFailed", text);
        answer(question, make_error(code, text));
      },
      inspect_image{request.image});
}

void image_puller::join(const ensure_image& request, uint64_t question) {
  auto asked = open_.find(question);
  if (asked == open_.end()) return;
  auto who = asked->second.who;
  auto alive = caf::actor_cast<caf::strong_actor_ptr>(who);
  if (!alive) {
    open_.erase(asked);
    return;
  }
  auto same_container = [&](const waiter& w) {
    return w.request.pod->uid() == request.pod->uid() && w.request.container == request.container;
  };
  auto same_logins = [&](const pull& p) {
    return std::equal(p.logins.begin(), p.logins.end(), request.logins.begin(), request.logins.end(),
                      [](auto& a, auto& b) {
                        return std::tie(a.registry, a.username, a.password, a.identity_token)
                               == std::tie(b.registry, b.username, b.password, b.identity_token);
                      });
  };
  // A container wants one image at a time.
  drop([&](const waiter& w) { return same_container(w) && w.request.image != request.image; });
  auto& pulls = pulls_[request.image];
  // Who lost patience and asks again takes its own place.
  for (auto& p : pulls)
    for (auto& w : p.waiters)
      if (same_container(w)) {
        open_.erase(w.question);
        w.question = question;
        if (w.who != who) this->monitor(alive);
        w.who = who;
        return;
      }
  auto mine = std::find_if(pulls.begin(), pulls.end(), same_logins);
  if (mine == pulls.end()) mine = pulls.insert(pulls.end(), pull{request.logins, {}, {}, 0, {}});
  mine->waiters.push_back({request, question, now(), who});
  this->monitor(alive);
  event(request, "Normal", "Pulling", "Pulling image \"" + request.image + "\"");
  if (pulls.size() == 1 && !mine->asker) begin(request.image);
}

void image_puller::begin(const std::string& image) {
  auto& first = pulls_[image].front();
  first.begun = now();
  first.number = ++last_pull_;
  first.asker = this->spawn<pull_asker>(ctx_, path() + "/" + std::to_string(first.number));
  this->monitor(first.asker);
  watch_progress(image, first.number, ctx_->settings.pull_progress);
  auto over = [this, image, number = first.number](const caf::expected<image_info>& result) {
    if (under_way(image, number)) pulled(image, result);
  };
  ask(
      first.asker, pull_timeout + std::chrono::minutes{1}, [over](const image_info& info) { over(info); },
      [over](const caf::error& err) { over(err); }, pull_image{image, first.logins});
}

/// What comes after the first pull of an image is over.
void image_puller::next_pull(const std::string& image) {
  auto& pulls = pulls_[image];
  this->send_exit(pulls.front().asker, caf::exit_reason::user_shutdown);
  pulls.pop_front();
  if (pulls.empty())
    pulls_.erase(image);
  else
    begin(image);
}

image_puller::pull* image_puller::under_way(const std::string& image, uint64_t number) {
  auto found = pulls_.find(image);
  return found != pulls_.end() && found->second.front().number == number ? &found->second.front() : nullptr;
}

void image_puller::watch_progress(const std::string& image, uint64_t number, nanoseconds next) {
  after(next, [this, image, number, next] {
    if (!under_way(image, number)) return;
    ask(
        ctx_->images, ctx_->settings.request_timeout,
        [this, image, number](const pull_progress& so_far) {
          auto* p = under_way(image, number);
          if (!p) return;
          auto seconds = to_go_duration(std::chrono::floor<std::chrono::milliseconds>(now() - p->begun));
          for (auto& w : p->waiters)
            event(w.request, "Normal", "Pulling", progress_text(image, so_far, seconds));
        },
        [](const caf::error&) {}, get_pull_progress{image});
    watch_progress(image, number, next * 2);
  });
}

// -- who waits no more
// ----------------------------------------------------------------------------------------------------

void image_puller::gone(const caf::actor_addr& who) {
  for (auto& [image, pulls] : pulls_)
    if (auto& asker = pulls.front().asker; asker && asker.address() == who)
      return pulls.front().waiters.empty() ? next_pull(std::string{image}) : begin(std::string{image});
  drop([&](const waiter& w) { return w.who == who; });
  // What was not looked up yet has no place to wait at.
  std::erase_if(open_, [&](auto& asked) { return asked.second.who == who; });
}

void image_puller::drop(const std::function<bool(const waiter&)>& who) {
  std::vector<std::string> unwanted;
  for (auto& [image, pulls] : pulls_) {
    auto left = false;
    for (auto& p : pulls)
      left |= std::erase_if(p.waiters,
                            [&](auto& w) {
                              if (!who(w)) return false;
                              open_.erase(w.question);
                              this->demonitor(w.who);
                              return true;
                            })
              != 0;
    if (!left) continue;
    auto turn = [](auto& p) { return p.waiters.empty() && !p.asker; };
    pulls.erase(std::remove_if(pulls.begin(), pulls.end(), turn), pulls.end());
    if (pulls.front().waiters.empty()) unwanted.push_back(image);
  }
  for (auto& image : unwanted) {
    auto& pulls = pulls_[image];
    if (pulls.size() > 1) { // others wait for their turn
      next_pull(image);
      continue;
    }
    after(unwanted_for, [this, image, number = pulls.front().number] {
      auto* p = under_way(image, number);
      if (p && p->waiters.empty()) next_pull(image);
    });
  }
}

void image_puller::dismiss_askers() {
  for (auto& [image, pulls] : pulls_)
    if (auto& asker = pulls.front().asker) this->send_exit(asker, caf::exit_reason::user_shutdown);
}

void image_puller::pulled(const std::string& image, const caf::expected<image_info>& result) {
  auto over = pulls_[image].front();
  next_pull(image);
  // The next try may then find room.
  if (!result && code_of(result.error()) == errc::no_space) this->send(node_, collect_images{});
  // Rounded up: a registry that was asked has taken some time.
  auto since = [this](clock_time begun) {
    return to_go_duration(std::chrono::ceil<std::chrono::milliseconds>(now() - begun));
  };
  for (auto& w : over.waiters) {
    this->demonitor(w.who);
    if (result) {
      event(w.request, "Normal", "Pulled",
            "Successfully pulled image \"" + image + "\" in " + since(std::max(over.begun, w.since)) + " ("
                + since(w.since) + " including waiting). Image size: " + std::to_string(result->size_bytes)
                + " bytes.");
      answer(w.question, *result);
    } else {
      event(w.request, "Warning", "Failed",
            "Failed to pull image \"" + image + "\": " + message_of(result.error()));
      answer(w.question, result.error());
    }
  }
}

void image_puller::event(const ensure_image& r, const char* type, const char* reason, std::string message) {
  this->send(ctx_->recorder, pod_event(*ctx_, *r.pod, r.container, type, reason, std::move(message)));
}

} // namespace podium
