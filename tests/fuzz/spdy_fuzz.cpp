// SPDY: arbitrary bytes to the decoder, and arbitrary bytes and frames to a session whose streams are treated
// in every way. Frames read the same however their bytes are cut; a client never makes a session hold more
// than its limits.
#include "fuzz_input.hpp"
#include "memory_stream.hpp"
#include "runtime/http/spdy_session.hpp"

#include <vector>

using namespace podium;

namespace {

/// What was read, with the pieces of data joined.
std::string read_all(std::string_view bytes, size_t cut) {
  spdy_decoder decoder;
  std::string out, data;
  uint32_t of = 0;
  auto flush = [&] {
    if (!data.empty()) out += "d" + std::to_string(of) + ":" + data + ";";
    data.clear();
  };
  for (; !bytes.empty(); bytes.remove_prefix(std::min(cut, bytes.size()))) {
    auto piece = bytes.substr(0, cut);
    for (;;) {
      auto before = piece.size();
      auto frame = decoder.next(piece);
      fuzz::require(piece.size() <= before, "no more is read than is there");
      if (!frame) {
        flush();
        return out + "error";
      }
      if (!*frame) {
        fuzz::require(piece.empty(), "all is used up before more is asked for");
        break;
      }
      if (auto* d = std::get_if<spdy_data>(&**frame)) {
        if (d->stream != of) flush();
        of = d->stream;
        data += d->bytes;
        if (!d->fin) continue;
        flush();
        out += "fin;";
        continue;
      }
      flush();
      out += std::to_string((**frame).index());
      if (auto* s = std::get_if<spdy_syn_stream>(&**frame))
        for (auto& [name, value] : s->headers) {
          fuzz::require(!name.empty(), "a header has a name");
          out += name + "=" + value + ",";
        }
      out += ";";
    }
  }
  flush();
  return out;
}

/// A session whose client is the input.
class world {
public:
  world() {
    limits_.streams = 8;
    limits_.stream_input_bytes = 512;
    limits_.session_input_bytes = 1024;
    session_ = spdy_session::make(transport_, limits_);
    session_->on_stream([this](const spdy_session::stream_ptr& s) { return opened(s); });
    session_->on_close([this](const caf::error&) { ++closed_; });
    transport_->turn();
  }
  ~world() {
    transport_->end();
    transport_->turn();
    fuzz::require(closed_ == 1, "the end is told once");
    streams_.clear();
    fuzz::require(session_->buffered() == 0, "nothing is kept behind the end");
  }
  void give(std::string_view bytes) {
    transport_->give(bytes);
    transport_->turn();
    fuzz::require(session_->size() <= limits_.streams, "streams have a limit");
    fuzz::require(session_->buffered() <= limits_.session_input_bytes + largest_piece,
                  "input that nobody reads has a limit");
  }
  void act(unsigned what) {
    if (what == 0) transport_->take_all();
    if (what == 1 && !streams_.empty()) streams_.back()->resume_reading();
    if (what == 2 && !streams_.empty()) streams_.back()->finish();
    if (what == 3 && !streams_.empty()) streams_.back()->reset(spdy_status::cancel);
    if (what == 4 && !streams_.empty()) streams_.pop_back();
    if (what == 5) session_->close();
    transport_->turn();
  }
  static constexpr size_t largest_piece = 4096;

private:
  bool opened(const spdy_session::stream_ptr& s) {
    auto weak = std::weak_ptr{s};
    switch (s->id() % 5) {
    case 0:
      return false;
    case 1:
      s->on_data([weak](std::string_view bytes) {
        if (auto strong = weak.lock()) strong->write(bytes);
      });
      s->on_end([weak] {
        if (auto strong = weak.lock()) strong->finish();
      });
      break;
    case 2:
      s->pause_reading();
      s->on_data([](std::string_view) {});
      break;
    case 3:
      s->on_data([weak](std::string_view) {
        if (auto strong = weak.lock()) strong->reset(spdy_status::internal_error);
      });
      break;
    default:
      s->finish();
    }
    s->on_close([this] { streams_.clear(); });
    streams_.push_back(s);
    return true;
  }

  spdy_session_limits limits_;
  std::shared_ptr<fuzz::memory_stream> transport_ = std::make_shared<fuzz::memory_stream>();
  std::shared_ptr<spdy_session> session_;
  std::vector<spdy_session::stream_ptr> streams_;
  int closed_ = 0;
};

void run_bytes(fuzz::input in) {
  world w;
  auto bytes = in.rest();
  for (; !bytes.empty(); bytes.remove_prefix(std::min<size_t>(97, bytes.size())))
    w.give(bytes.substr(0, 97));
}

/// Frames that hold together, so that more than the first is looked at.
void run_frames(fuzz::input in) {
  world w;
  spdy_encoder client;
  for (int steps = 0; steps < 300 && !in.rest().empty(); ++steps) {
    auto what = in.choose(8);
    auto id = in.choose(40);
    switch (what) {
    case 0:
    case 1: {
      spdy_headers headers;
      for (unsigned n = in.choose(3); n > 0; --n) {
        auto name = std::string{in.text().substr(0, 100)};
        headers.emplace_back(name, std::string{in.text().substr(0, 100)});
      }
      w.give(client.syn_stream(id, headers, what == 1));
      break;
    }
    case 2:
      w.give(spdy_encoder::data(id, std::string(in.choose(250) * 16, 'x'), in.choose(2) == 1));
      break;
    case 3:
      w.give(spdy_encoder::rst_stream(id, spdy_status::cancel));
      break;
    case 4:
      w.give(spdy_encoder::ping(id));
      break;
    case 5:
      w.give(spdy_encoder::goaway(id, spdy_status::ok));
      break;
    default:
      w.act(id % 6);
    }
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::input in{data, size};
  switch (in.choose(3)) {
  case 0: {
    auto cut = in.choose(32) + 1;
    fuzz::require(read_all(in.rest(), size + 1) == read_all(in.rest(), cut),
                  "frames read the same however they are cut");
    break;
  }
  case 1:
    run_bytes(in);
    break;
  default:
    run_frames(in);
  }
  return 0;
}
