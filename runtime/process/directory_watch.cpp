#include "runtime/process/directory_watch.hpp"

#include "core/error.hpp"

#include <cerrno>
#include <set>
#include <sys/inotify.h>
#include <unistd.h>
#include <vector>

namespace podium {

caf::expected<uint64_t> directory_watch::add(const std::string& directory, std::function<void()> changed) {
  if (!inotify_) {
    inotify_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!inotify_) return errno_error("cannot watch " + directory, errno);
    readable_ = std::make_unique<fd_watch>(loop_, inotify_.get(), [this] { look(); });
  }
  int descriptor = ::inotify_add_watch(inotify_.get(), directory.c_str(),
                                       IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
  if (descriptor < 0) return errno_error("cannot watch " + directory, errno);
  auto id = ++last_id_;
  by_descriptor_[descriptor].emplace(id, std::make_shared<const std::function<void()>>(std::move(changed)));
  descriptors_.emplace(id, descriptor);
  return id;
}

void directory_watch::remove(uint64_t id) {
  auto i = descriptors_.find(id);
  if (i == descriptors_.end()) return;
  auto watchers = by_descriptor_.find(i->second);
  if (watchers != by_descriptor_.end()) {
    watchers->second.erase(id);
    if (watchers->second.empty()) {
      ::inotify_rm_watch(inotify_.get(), i->second);
      by_descriptor_.erase(watchers);
    }
  }
  descriptors_.erase(i);
}

void directory_watch::look() {
  std::set<int> touched, gone;
  alignas(inotify_event) char buffer[16 * 1024];
  for (;;) {
    auto n = ::read(inotify_.get(), buffer, sizeof buffer);
    if (n <= 0) break;
    for (ssize_t at = 0; at < n;) {
      auto* event = reinterpret_cast<inotify_event*>(buffer + at);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      if ((event->mask & IN_Q_OVERFLOW) != 0)
        for (auto& [descriptor, watchers] : by_descriptor_)
          touched.insert(descriptor);
      else if ((event->mask & IN_IGNORED) != 0)
        gone.insert(event->wd);
      else
        touched.insert(event->wd);
    }
  }
  std::vector<std::pair<uint64_t, callback>> calls;
  for (int descriptor : touched)
    if (auto i = by_descriptor_.find(descriptor); i != by_descriptor_.end())
      calls.insert(calls.end(), i->second.begin(), i->second.end());
  // The kernel numbers watches upwards: a descriptor that is gone does not come back as another directory's.
  for (int descriptor : gone)
    by_descriptor_.erase(descriptor);
  for (auto& [id, call] : calls)
    if (descriptors_.contains(id)) (*call)();
}

} // namespace podium
