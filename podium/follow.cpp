#include "podium/follow.hpp"

#include "api/printers.hpp"

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

namespace podium {

/// Lines on their way to a terminal that may be stopped: written by a thread of their own, the oldest dropped
/// beyond a limit.
class line_writer {
public:
  static std::shared_ptr<line_writer> start(std::FILE* out) {
    auto self = std::make_shared<line_writer>();
    // Nobody waits for this thread: a terminal that takes nothing must not hold up the end of the process.
    std::thread([self, out] { self->run(out); }).detach();
    return self;
  }
  void add(std::string line) {
    std::lock_guard guard{mutex_};
    if (lines_.size() >= 10'000) lines_.pop_front();
    lines_.push_back(std::move(line));
    ready_.notify_one();
  }
  bool drain(std::chrono::milliseconds limit) {
    std::unique_lock guard{mutex_};
    return idle_.wait_for(guard, limit, [this] { return lines_.empty() && !writing_; });
  }

private:
  void run(std::FILE* out) {
    for (;;) {
      std::unique_lock guard{mutex_};
      writing_ = false;
      if (lines_.empty()) idle_.notify_all();
      ready_.wait(guard, [this] { return !lines_.empty(); });
      auto line = std::move(lines_.front());
      lines_.pop_front();
      writing_ = true;
      guard.unlock();
      std::fputs(line.c_str(), out);
      std::fflush(out);
    }
  }

  std::mutex mutex_;
  std::condition_variable ready_, idle_;
  std::deque<std::string> lines_;
  bool writing_ = false; ///< a line was taken and is not out yet
};

namespace {

std::string row(const std::string& time, const std::string& name, const std::string& ready,
                const std::string& status, const std::string& restarts) {
  char line[512];
  std::snprintf(line, sizeof line, "%-10s %-32s %-7s %-20s %s\n", time.c_str(), name.c_str(), ready.c_str(),
                status.c_str(), restarts.c_str());
  return line;
}

} // namespace

void pod_follower::start(engine& daemon, std::FILE* out) {
  auto writer = writer_ = line_writer::start(out);
  auto rows =
      std::make_shared<std::map<std::string, std::string>>(); // by uid, without what time alone changes
  writer->add(row("TIME", "POD", "READY", "STATUS", "RESTARTS"));
  daemon.on_change("pods", [rows, writer, &daemon](const watch_event& event) {
    auto now = daemon.wall_now();
    auto cells = api::pod_printer.cells(*event.object, now);
    auto text = [&](size_t i) { return std::string(cells.at(i).as_string()); };
    auto restarts = text(3);
    auto essence = text(1) + text(2) + restarts.substr(0, restarts.find(' '));
    bool gone = event.type == watch_type::deleted;
    if (gone)
      rows->erase(event.object->uid());
    else if (std::exchange((*rows)[event.object->uid()], essence) == essence)
      return;
    writer->add(row(to_rfc3339(now).substr(11, 8), event.object->key().ns + "/" + event.object->key().name,
                    text(1), gone ? "Deleted" : text(2), restarts));
  });
}

bool pod_follower::finish(std::chrono::milliseconds limit) {
  return !writer_ || writer_->drain(limit);
}

} // namespace podium
