#include "runtime/sim/message_trace.hpp"

#include "core/error.hpp"
#include <stdexcept>

#include <caf/all.hpp>
#include <cstring>

namespace podium {

namespace {

/// Multiply and fold: passes every bit of both on to all bits.
uint64_t mixed(uint64_t hash, uint64_t word) {
  __extension__ using wide = unsigned __int128;
  auto product = static_cast<wide>(hash ^ 0xa0761d6478bd642fULL) * (word ^ 0xe7037ed1a0b428dbULL);
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64) ^ (hash << 1 | hash >> 63);
}

uint64_t mixed(uint64_t hash, const void* data, size_t size) {
  auto* bytes = static_cast<const char*>(data);
  hash = mixed(hash, size);
  for (; size >= 8; size -= 8, bytes += 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes, 8);
    hash = mixed(hash, word);
  }
  uint64_t rest = 0;
  if (size > 0) std::memcpy(&rest, bytes, size);
  return mixed(hash, rest);
}

/// Takes what CAF's inspection shows of a value, as it would go over the wire, without writing it anywhere.
class hash_sink final : public caf::serializer {
public:
  explicit hash_sink(uint64_t start) : hash(start) {}
  uint64_t hash;

  caf::error begin_object(uint16_t&, std::string&) override { return caf::none; }
  caf::error end_object() override { return caf::none; }
  caf::error begin_sequence(size_t& size) override { return add(size); }
  caf::error end_sequence() override { return caf::none; }
  caf::error apply_raw(size_t size, void* data) override {
    hash = mixed(hash, data, size);
    return caf::none;
  }

protected:
  caf::error apply_impl(int8_t& x) override { return add(static_cast<uint64_t>(x)); }
  caf::error apply_impl(uint8_t& x) override { return add(x); }
  caf::error apply_impl(int16_t& x) override { return add(static_cast<uint64_t>(x)); }
  caf::error apply_impl(uint16_t& x) override { return add(x); }
  caf::error apply_impl(int32_t& x) override { return add(static_cast<uint64_t>(x)); }
  caf::error apply_impl(uint32_t& x) override { return add(x); }
  caf::error apply_impl(int64_t& x) override { return add(static_cast<uint64_t>(x)); }
  caf::error apply_impl(uint64_t& x) override { return add(x); }
  caf::error apply_impl(float& x) override { return apply_raw(sizeof x, &x); }
  caf::error apply_impl(double& x) override { return apply_raw(sizeof x, &x); }
  // The padding of a long double is not part of its value.
  caf::error apply_impl(long double& x) override {
    auto y = static_cast<double>(x);
    return apply_raw(sizeof y, &y);
  }
  caf::error apply_impl(std::string& x) override { return apply_raw(x.size(), x.data()); }
  caf::error apply_impl(std::u16string& x) override { return apply_raw(x.size() * 2, x.data()); }
  caf::error apply_impl(std::u32string& x) override { return apply_raw(x.size() * 4, x.data()); }

private:
  caf::error add(uint64_t x) {
    hash = mixed(hash, x);
    return caf::none;
  }
};

/// Exits and downs carry an address, which holds the process id: who it was is its number in the system.
template <class Message>
bool as_ended(const caf::type_erased_tuple& content, uint64_t& who, std::string& why) {
  if (!content.match_elements<Message>()) return false;
  auto& message = content.get_as<Message>(0);
  who = message.source.id();
  why = message_of(message.reason);
  return true;
}

} // namespace

message_trace::message_trace(bool hashing, size_t keep_lines) : hashing_(hashing), keep_lines_(keep_lines) {}

void message_trace::delivered(std::string_view receiver, const caf::mailbox_element& element, clock_time at,
                              const caf::strong_actor_ptr& self) {
  ++messages_;
  if (hashing_) {
    hash_ = mixed(hash_, receiver.data(), receiver.size());
    hash_ = mixed(hash_, sender_hash(element.sender));
    hash_ = mixed(hash_, static_cast<uint64_t>(at.time_since_epoch().count()));
    hash_ = mixed(hash_, element.mid.integer_value());
    add_content(element.content());
  }
  if (keep_lines_ > 0) add_line(receiver, element, at);
  // An exit is CAF's own business: no handler of ours could throw in it.
  if (sabotage_left_ == 0 || receiver != sabotage_path_ || element.content().match_elements<caf::exit_msg>())
    return;
  if (--sabotage_left_ > 0) return;
  if (!sabotage_kills_) throw std::runtime_error("sabotage");
  self->enqueue(nullptr, caf::make_message_id(caf::message_priority::high),
                caf::make_message(caf::exit_msg{self->address(), caf::exit_reason::kill}), nullptr);
}

void message_trace::sabotage(std::string path, uint64_t nth, bool kill) {
  sabotage_path_ = std::move(path);
  sabotage_left_ = nth;
  sabotage_kills_ = kill;
}

uint64_t message_trace::sender_hash(const caf::strong_actor_ptr& sender) {
  if (!sender) return 0;
  auto id = sender->id();
  if (id >= sender_hashes_.size()) sender_hashes_.resize(std::max<size_t>(id + 1, sender_hashes_.size() * 2));
  auto& slot = sender_hashes_[id];
  if (slot == 0) slot = fnv1a(sender_path(sender));
  return slot;
}

void message_trace::add_content(const caf::type_erased_tuple& content) {
  uint64_t who = 0;
  std::string why;
  if (as_ended<caf::down_msg>(content, who, why) || as_ended<caf::exit_msg>(content, who, why)) {
    hash_ = mixed(mixed(mixed(hash_, names_.of(content, 0).hash), who), why.data(), why.size());
    return;
  }
  hash_sink sink{mixed(hash_, content.size())};
  for (size_t i = 0; i < content.size(); ++i) {
    auto before = sink.hash = mixed(sink.hash, names_.of(content, i).hash);
    // What cannot be serialised (an actor's handle) counts by its type alone.
    if (content.save(i, sink)) sink.hash = before;
  }
  hash_ = sink.hash;
}

void message_trace::add_line(std::string_view receiver, const caf::mailbox_element& element, clock_time at) {
  auto from = sender_path(element.sender);
  auto& content = element.content();
  std::string text = to_go_duration(at.time_since_epoch()) + " ";
  text += from.empty() ? std::string_view{"-"} : from;
  text += " -> ";
  text += receiver;
  text += element.mid.is_response() ? " answer: " : ": ";
  uint64_t who = 0;
  std::string why;
  if (as_ended<caf::down_msg>(content, who, why) || as_ended<caf::exit_msg>(content, who, why)) {
    text += std::string{names_.of(element)} + " of actor " + std::to_string(who) + ": " + why;
  } else {
    for (size_t i = 0; i < content.size(); ++i)
      text += (i ? ", " : "") + names_.of(content, i).name + content.stringify(i);
  }
  if (lines_.size() >= keep_lines_) lines_.pop_front();
  lines_.push_back(std::move(text));
}

} // namespace podium
