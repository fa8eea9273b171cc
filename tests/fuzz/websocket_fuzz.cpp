// WebSocket: arbitrary bytes, and frames that hold together, to a connection without a socket. The same
// messages come out however the bytes are cut, none is longer than allowed, and nothing comes after the end.
#include "fuzz_input.hpp"
#include "memory_stream.hpp"
#include "runtime/http/websocket.hpp"

using namespace podium;

namespace {

constexpr uint32_t message_limit = 300;

/// What a client that sends `bytes` in pieces of `cut` makes of a connection.
std::string run(std::string_view bytes, size_t cut, size_t pause_at) {
  auto transport = std::make_shared<fuzz::memory_stream>();
  auto socket = websocket::make(transport, message_limit);
  std::string out;
  int ended = 0;
  size_t messages = 0;
  socket->on_message([&](websocket_opcode opcode, std::string_view message) {
    fuzz::require(ended == 0, "nothing comes after the end");
    fuzz::require(message.size() <= message_limit, "messages have a limit");
    out += std::to_string(static_cast<int>(opcode)) + ":" + std::string{message} + ";";
    socket->send_binary(message);
    if (++messages == pause_at) socket->pause_reading();
  });
  // Not its code: wslay judges a close frame whose reason is no UTF-8 by where it is cut.
  socket->on_close([&](uint16_t, std::string_view) { ++ended; });
  transport->turn();
  for (; !bytes.empty(); bytes.remove_prefix(std::min(cut, bytes.size()))) {
    transport->give(bytes.substr(0, cut));
    transport->turn();
    transport->take_all();
  }
  socket->resume_reading();
  transport->turn();
  transport->end();
  fuzz::require(ended == 1, "the end is told once");
  return out;
}

std::string frame(unsigned first, std::string_view data) {
  std::string out(1, static_cast<char>(first));
  if (data.size() < 126) {
    out += static_cast<char>(0x80 | data.size());
  } else {
    out += static_cast<char>(0x80 | 126);
    out += static_cast<char>(data.size() >> 8);
    out += static_cast<char>(data.size());
  }
  return out.append(4, '\0').append(data); // a mask of zeros
}

std::string frames(fuzz::input& in) {
  std::string out;
  for (int steps = 0; steps < 60 && !in.rest().empty(); ++steps) {
    auto opcode = in.choose(16);
    auto fin = in.choose(4) == 0 ? 0u : 0x80u;
    if (in.choose(3) == 0)
      out += frame(fin | opcode, std::string(in.choose(200) * 4, 'x'));
    else
      out += frame(fin | opcode, in.text().substr(0, 1000));
  }
  return out;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::input in{data, size};
  auto cut = in.choose(64) + 1;
  auto pause_at = in.choose(4);
  auto bytes = in.choose(2) == 0 ? std::string{in.rest()} : frames(in);
  fuzz::require(run(bytes, bytes.size() + 1, pause_at) == run(bytes, cut, pause_at),
                "messages read the same however they are cut");
  return 0;
}
