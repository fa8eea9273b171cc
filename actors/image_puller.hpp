// Pulls images by policy, one pull per image at a time: who asks for an image that is on its way shares it,
// or waits for its end where the logins differ.
#pragma once
#include "actors/node_context.hpp"
#include "core/base_actor.hpp"

#include <deque>

namespace podium {

/// Asks the image port for one pull, for its puller. The port gives up what is asked for by nobody who lives:
/// a pull is cancelled by the end of this actor.
using pull_asker_actor = caf::typed_actor<caf::replies_to<pull_image>::with<image_info>>;

class image_puller final : public base_actor<image_puller_actor> {
public:
  /// `node` is told when a pull finds the disk full.
  image_puller(caf::actor_config& cfg, node_context_ptr ctx, node_actor node, std::string path);

protected:
  behavior_type handlers() override;
  void on_start() override;
  void ended() override;

private:
  struct open_question {
    caf::typed_response_promise<image_info> answer;
    caf::actor_addr who;
  };
  struct waiter {
    ensure_image request;
    uint64_t question = 0;
    clock_time since;
    caf::actor_addr who; ///< watched: one that has ended waits no more
  };
  /// For all who ask with the same logins: what one may have, another may not.
  struct pull {
    std::vector<registry_login> logins;
    std::vector<waiter> waiters;
    clock_time begun;
    uint64_t number = 0; ///< tells it from an earlier one of the same image; 0 until it begins
    pull_asker_actor asker;
  };
  void ensure(const ensure_image& request, uint64_t question);
  void join(const ensure_image& request, uint64_t question);
  void begin(const std::string& image);
  void next_pull(const std::string& image);
  pull* under_way(const std::string& image, uint64_t number);
  void watch_progress(const std::string& image, uint64_t number, nanoseconds next);
  void gone(const caf::actor_addr& who);
  /// Takes who waits for nothing any more out of all pulls, and gives up those that nobody waits for then.
  void drop(const std::function<bool(const waiter&)>& who);
  void dismiss_askers();
  void answer(uint64_t question, caf::expected<image_info> result);
  void pulled(const std::string& image, const caf::expected<image_info>& result);
  void event(const ensure_image& request, const char* type, const char* reason, std::string message);

  const node_context_ptr ctx_;
  node_actor node_;
  std::map<std::string, std::deque<pull>> pulls_; ///< by image; the first is under way
  std::map<uint64_t, open_question> open_;        ///< every one that was not answered yet
  uint64_t last_question_ = 0, last_pull_ = 0;
};

} // namespace podium
