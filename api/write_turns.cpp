#include "api/write_turns.hpp"

namespace podium::api {

void write_turns::wait(const object_key& key, std::function<void(turn)> f) {
  auto [i, is_first] = waiting_.try_emplace(key);
  if (is_first) return f(make_turn(key));
  i->second.push_back({clock::now(), std::move(f)});
}

write_turns::turn write_turns::make_turn(const object_key& key) {
  auto weak = weak_from_this();
  // The next one begins when whoever has had the turn is done with what it does now.
  return {this, [weak, key](void*) {
            if (auto self = weak.lock())
              self->loop_.post([weak, key] {
                if (auto still = weak.lock()) still->next(key);
              });
          }};
}

void write_turns::next(const object_key& key) {
  auto i = waiting_.find(key);
  if (i == waiting_.end()) return;
  if (i->second.empty()) {
    waiting_.erase(i);
    return;
  }
  auto first = std::move(i->second.front());
  i->second.pop_front();
  auto given = make_turn(key); // who has waited too long does not get it: it goes on at once
  first.f(clock::now() - first.since < longest_wait_ ? given : nullptr);
}

} // namespace podium::api
