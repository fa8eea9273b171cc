// Tells when something changes in a directory. All watches of one object share one inotify instance: the
// kernel gives a user 128 of those, and log followers may be a thousand.
#pragma once
#include "runtime/process/fd_watch.hpp"
#include "runtime/process/unique_fd.hpp"

#include <caf/expected.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace podium {

/// Loop thread only.
class directory_watch {
public:
  explicit directory_watch(event_loop& loop) : loop_(loop) {}
  directory_watch(const directory_watch&) = delete;
  directory_watch& operator=(const directory_watch&) = delete;

  /// Calls `changed` after files in `directory` were written, made or moved in, until remove(). Error: the
  /// directory is not there, or the kernel's limits are reached.
  caf::expected<uint64_t> add(const std::string& directory, std::function<void()> changed);
  /// An unknown id changes nothing. May be called from inside `changed`.
  void remove(uint64_t id);

private:
  using callback = std::shared_ptr<const std::function<void()>>;
  void look();

  event_loop& loop_;
  unique_fd inotify_;
  std::unique_ptr<fd_watch> readable_;
  uint64_t last_id_ = 0;
  std::map<int, std::map<uint64_t, callback>> by_descriptor_; ///< the kernel gives a directory one descriptor
  std::map<uint64_t, int> descriptors_;
};

} // namespace podium
