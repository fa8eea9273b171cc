// A byte stream without a socket: what is written is kept for the target to look at, what is deferred runs
// when it says.
#pragma once
#include "runtime/http/byte_stream.hpp"

#include <deque>
#include <utility>

namespace podium::fuzz {

class memory_stream : public byte_stream {
public:
  void on_data(std::function<void(std::string_view)> f) override { data_ = std::move(f); }
  void on_end(std::function<void()>) override {}
  void on_drain(std::function<void()> f) override { drain_ = std::move(f); }
  void on_close(std::function<void()> f) override { close_ = std::move(f); }
  void on_shutdown(std::function<void()>) override {}
  bool write(std::string bytes) override {
    if (open_) written += bytes;
    return written.size() < room;
  }
  size_t queued() const override { return written.size(); }
  void pause_reading() override { paused = true; }
  void resume_reading() override { paused = false; }
  void close() override { open_ = false; }
  void abort() override { open_ = false; }
  bool is_open() const override { return open_; }
  void defer(std::function<void()> f) override { deferred_.push_back(std::move(f)); }

  /// As the loop does: bytes come only to who wants them.
  void give(std::string_view bytes) {
    if (!open_ || paused || !data_) return;
    auto f = data_;
    f(bytes);
  }
  void turn() {
    for (size_t i = 0; i < 1000 && !deferred_.empty(); ++i) {
      auto f = std::move(deferred_.front());
      deferred_.pop_front();
      f();
    }
  }
  void take_all() {
    written.clear();
    if (drain_) drain_();
  }
  void end() {
    open_ = false;
    data_ = nullptr;
    if (auto f = std::exchange(close_, {})) f();
    drain_ = nullptr;
  }

  std::string written;
  size_t room = 4096;
  bool paused = false;

private:
  bool open_ = true;
  std::function<void(std::string_view)> data_;
  std::function<void()> drain_, close_;
  std::deque<std::function<void()>> deferred_;
};

} // namespace podium::fuzz
