// The trace of a simulation: a hash over every delivered message, and the last lines for who looks into a
// failure.
#pragma once
#include "core/actor_env.hpp"
#include "runtime/sim/message_names.hpp"

#include <deque>
#include <vector>

namespace podium {

/// Hashes receiver, sender, time, kind and whole content of each message. Two runs that agree on the hash
/// delivered the same messages in the same order. Not thread-safe.
class message_trace final : public trace_sink {
public:
  /// `hashing` off only counts: the benchmark's comparison. `keep_lines` is how many last lines are kept.
  explicit message_trace(bool hashing = true, size_t keep_lines = 0);

  void delivered(std::string_view receiver, const caf::mailbox_element& element, clock_time at,
                 const caf::strong_actor_ptr& self) override;

  /// Breaks the actor at `path` at its nth message from now: it throws in its handler, or is killed.
  void sabotage(std::string path, uint64_t nth, bool kill);
  /// Whether that message came.
  bool sabotaged() const { return sabotage_left_ == 0 && !sabotage_path_.empty(); }

  uint64_t hash() const { return hash_; }
  /// Messages seen, deadlines included.
  uint64_t messages() const { return messages_; }
  /// `12.500000s sender -> receiver: content`, oldest first.
  const std::deque<std::string>& lines() const { return lines_; }

private:
  uint64_t sender_hash(const caf::strong_actor_ptr& sender);
  void add_content(const caf::type_erased_tuple& content);
  void add_line(std::string_view receiver, const caf::mailbox_element& element, clock_time at);

  bool hashing_;
  size_t keep_lines_;
  uint64_t hash_ = 0x243f6a8885a308d3ULL;
  uint64_t messages_ = 0;
  message_names names_;
  std::vector<uint64_t> sender_hashes_; ///< by actor id: CAF counts them up from 1 in every system
  std::deque<std::string> lines_;
  std::string sabotage_path_;
  uint64_t sabotage_left_ = 0;
  bool sabotage_kills_ = false;
};

} // namespace podium
