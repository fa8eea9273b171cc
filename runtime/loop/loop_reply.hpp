// From a typed actor's handler to the event loop and back: the request is answered from the loop's thread.
#pragma once
#include "runtime/loop/event_loop.hpp"
#include <caf/all.hpp>

namespace podium {

/// Answers one request; from any thread, once. Copies share the one answer that is due.
template <class Reply>
class loop_reply {
public:
  loop_reply(caf::strong_actor_ptr to, caf::strong_actor_ptr from, caf::message_id id)
      : to_(std::move(to)), from_(std::move(from)), id_(id) {}

  void operator()(caf::expected<Reply> result) const {
    if (!to_ || !id_.is_request()) return;
    auto element = result
                       ? caf::make_mailbox_element(from_, id_.response_id(), {}, std::move(*result))
                       : caf::make_mailbox_element(from_, id_.response_id(), {}, std::move(result.error()));
    to_->enqueue(std::move(element), nullptr);
  }

private:
  caf::strong_actor_ptr to_, from_;
  caf::message_id id_;
};

/// For a handler's return statement: calls `start(loop_reply<Reply>)` on the loop's thread. A promise itself
/// may not be kept there, since delivering it uses the actor's own execution unit.
template <class Reply, class Self, class Start>
caf::result<Reply> answer_from_loop(Self* self, event_loop& loop, Start start) {
  auto* element = self->current_mailbox_element();
  loop_reply<Reply> reply{element->sender, caf::strong_actor_ptr{self->ctrl()}, element->mid};
  auto promise = self->template make_response_promise<Reply>();
  loop.post([reply = std::move(reply), start = std::move(start)] { start(reply); });
  return promise;
}

} // namespace podium
