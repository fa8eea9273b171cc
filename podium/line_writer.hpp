// Lines for a terminal, a pipe or a file that may take nothing for a while: nobody but a thread of their own
// waits for it, the process's end least of all. Not stdio, whose flush at exit would wait without end.
#pragma once
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

namespace podium {

class line_writer {
public:
  /// Writes to a duplicate of the descriptor `fd`. One that cannot be written swallows its lines.
  static std::shared_ptr<line_writer> start(int fd);
  ~line_writer();
  line_writer(const line_writer&) = delete;
  line_writer& operator=(const line_writer&) = delete;

  /// Takes a line, without its end; of more than 10,000 that wait the oldest is dropped.
  void add(std::string line);
  /// Waits until every line is out, but no longer than `limit`, and takes no more. False: some are lost.
  bool finish(std::chrono::milliseconds limit);

private:
  explicit line_writer(int fd) : fd_(fd) {}
  void run();

  const int fd_; ///< its own
  std::mutex mutex_;
  std::condition_variable ready_, idle_;
  std::deque<std::string> lines_;
  bool over_ = false;
  bool writing_ = false; ///< a line was taken and is not out yet
};

} // namespace podium
