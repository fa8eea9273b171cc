#include "runtime/process/process_tree.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <set>
#include <string>
#include <unistd.h>

namespace podium {
namespace {

/// A small /proc file as one string.
std::string proc_text(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = ::read(fd, buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<size_t>(n));
  ::close(fd);
  return text;
}

void append_children(pid_t pid, std::vector<pid_t>& result) {
  std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  std::unique_ptr<DIR, int (*)(DIR*)> dir{::opendir(tasks.c_str()), ::closedir};
  if (!dir) return;
  while (auto* entry = ::readdir(dir.get())) {
    if (entry->d_name[0] == '.') continue;
    std::string text = proc_text(tasks + "/" + entry->d_name + "/children");
    const char* p = text.c_str();
    for (char* end = nullptr;; p = end) {
      auto child = std::strtol(p, &end, 10);
      if (end == p) break;
      result.push_back(static_cast<pid_t>(child));
    }
  }
}

} // namespace

process_facts facts_of(pid_t pid) {
  process_facts facts;
  std::string text = proc_text("/proc/" + std::to_string(pid) + "/stat");
  auto name_end = text.rfind(')'); // the program's name may hold anything
  if (name_end == std::string::npos) return facts;
  long long parent = 0, group = 0, session = 0;
  unsigned flags = 0;
  unsigned long long start = 0;
  int fields =
      std::sscanf(text.c_str() + name_end + 1,
                  " %c %lld %lld %lld %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                  &facts.state, &parent, &group, &session, &flags, &start);
  if (fields != 6) return facts;
  facts.parent = static_cast<pid_t>(parent);
  facts.session = static_cast<pid_t>(session);
  facts.start_ticks = start;
  facts.exists = true;
  facts.exiting = (flags & 0x4u) != 0; // PF_EXITING of the kernel's sched.h
  return facts;
}

std::vector<pid_t> descendants_of(pid_t root) {
  std::vector<pid_t> result{root};
  for (size_t i = 0; i < result.size() && i < 100'000; ++i)
    append_children(result[i], result);
  return result;
}

void kill_tree(pid_t root, const std::vector<pid_t>& suspects) {
  if (root <= 1) return;
  std::set<pid_t> found;
  // Until a look finds nobody new; the bound only guards against a race that never settles.
  for (int round = 0; round < 16; ++round) {
    size_t before = found.size();
    auto tree = descendants_of(root);
    std::set<pid_t> sessions;
    for (auto pid : tree) {
      auto facts = facts_of(pid);
      // The session of the root itself may be its starter's; only sessions founded in the tree count.
      if (facts.exists && std::find(tree.begin(), tree.end(), facts.session) != tree.end())
        sessions.insert(facts.session);
    }
    for (auto pid : suspects)
      if (sessions.count(facts_of(pid).session) != 0) tree.push_back(pid);
    for (auto pid : tree)
      if (found.insert(pid).second) ::kill(pid, SIGSTOP);
    if (found.size() == before) break;
  }
  for (auto pid : found)
    ::kill(pid, SIGKILL);
}

} // namespace podium
