// What a message is called in traces and fault scripts: the plain names of its types.
#pragma once
#include <caf/mailbox_element.hpp>
#include <string>
#include <string_view>
#include <typeinfo>
#include <unordered_map>

namespace podium {

/// Names of message types, looked up once each. Not thread-safe: one per simulated system.
class message_names {
public:
  struct entry {
    std::string name;  ///< without namespace: `exec_sync`, `down`, `error`
    uint64_t hash = 0; ///< of the name: the same in every process
  };
  /// The type of element `position`.
  const entry& of(const caf::type_erased_tuple& content, size_t position);
  /// The name of the first element's type; "" for an empty message.
  std::string_view of(const caf::mailbox_element& element);

private:
  std::unordered_map<const void*, entry> by_type_; // keyed by address, never iterated
};

/// The path of the actor behind `sender`; "" when there is none.
std::string_view sender_path(const caf::strong_actor_ptr& sender);

} // namespace podium
