// Why and when a daemon is to end: signals, and the failure of what it stands on, from its first moment on.
#pragma once
#include <condition_variable>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

namespace podium {

enum class end_cause : unsigned char {
  terminate, ///< SIGTERM: leave the containers running
  interrupt, ///< SIGINT: take back what was applied
  down,      ///< SIGUSR2, from `podium down`: end all pods
  failure,   ///< fail() was called
};

/// Reads the daemon's signals on a thread of its own. Make it before any other thread: they inherit the mask.
class ending {
public:
  ending();
  /// The signals stay blocked: what comes late must not change how the process ends.
  ~ending();
  ending(const ending&) = delete;
  ending& operator=(const ending&) = delete;

  /// The first cause; waits for it.
  end_cause wait();
  /// The first cause, if there is one.
  std::optional<end_cause> cause() const;
  /// Requested when nothing more is to be begun: by SIGINT, SIGTERM and failures. SIGUSR2 lets a start
  /// finish: only a daemon can end its pods.
  std::stop_token stop() const { return stop_.get_token(); }
  /// Requested when what is being taken back is not to be waited for either: by a second SIGINT or SIGTERM,
  /// and by failures.
  std::stop_token hurry() const { return hurry_.get_token(); }
  /// Something that cannot be mended has happened.
  void fail();

private:
  void read_signals(const std::stop_token& over);
  void note(end_cause cause);

  int signals_ = -1, wake_ = -1;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<end_cause> cause_;
  std::stop_source stop_, hurry_;
  std::jthread reader_;
};

} // namespace podium
