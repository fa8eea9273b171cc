// What comes over the streams of exec, attach and logs. A log must read the same however its bytes are cut.
#include "api/session_protocol.hpp"
#include "fuzz_input.hpp"
#include "runtime/oci/log_format.hpp"

using namespace podium;

namespace {

void read_log(fuzz::input in) {
  bool timestamps = in.choose(2) == 1;
  std::optional<wall_time> since;
  if (in.choose(2) == 1) since = parse_rfc3339("2026-01-02T03:04:05Z");
  int64_t limit = static_cast<int64_t>(in.choose(64)) - 1;
  auto cut = in.choose(32) + 1;
  auto log = in.rest();
  std::string whole, pieces, held;
  log_formatter one{timestamps, since, limit}, many{timestamps, since, limit};
  fuzz::require(one.feed(log, whole) <= log.size(), "no more is read than is there");
  for (size_t at = 0; at < log.size(); at += cut) {
    held += log.substr(at, cut);
    held.erase(0, many.feed(held, pieces));
  }
  fuzz::require(whole == pieces, "a log reads the same however it is cut");
  fuzz::require(limit < 0 || whole.size() <= static_cast<size_t>(limit), "limitBytes is a limit");
}

/// base64.channel.k8s.io: what is decoded says the same when it is encoded again.
void read_text_message(std::string_view message) {
  auto protocol = api::channel_protocol_of("base64.channel.k8s.io");
  std::string room, again;
  auto plain = api::binary_message(protocol, message, room);
  if (!plain) return;
  auto text = api::channel_message(protocol, static_cast<uint8_t>(plain->front()), plain->substr(1));
  fuzz::require(api::binary_message(protocol, text, again) == plain, "a message goes there and back");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::input in{data, size};
  switch (in.choose(3)) {
  case 0:
    if (auto frame = api::parse_frame(in.rest()))
      fuzz::require(frame->data.size() < in.rest().size(), "a frame has a channel byte");
    read_text_message(in.rest());
    break;
  case 1:
    if (auto terminal = api::parse_resize(in.rest()))
      fuzz::require(terminal->width > 0 && terminal->height > 0, "a terminal has a size");
    break;
  default:
    read_log(in);
  }
  return 0;
}
