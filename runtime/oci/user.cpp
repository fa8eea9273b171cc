#include "runtime/oci/user.hpp"

#include "core/error.hpp"
#include "runtime/process/unique_fd.hpp"
#include <algorithm>
#include <charconv>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

namespace podium {
namespace {

std::optional<uint32_t> as_number(std::string_view text) {
  uint32_t value = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> result;
  for (;;) {
    auto end = text.find(at);
    result.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return result;
    text.remove_prefix(end + 1);
  }
}

struct passwd_entry {
  std::string name, home;
  uint32_t uid = 0, gid = 0;
};

template <class Match>
std::optional<passwd_entry> find_user(std::string_view passwd, Match match) {
  for (auto line : split(passwd, '\n')) {
    auto fields = split(line, ':');
    if (fields.size() < 7) continue;
    auto uid = as_number(fields[2]);
    auto gid = as_number(fields[3]);
    if (!uid || !gid) continue;
    passwd_entry entry{std::string{fields[0]}, std::string{fields[5]}, *uid, *gid};
    if (match(entry)) return entry;
  }
  return std::nullopt;
}

std::optional<uint32_t> find_group(std::string_view group, std::string_view name) {
  for (auto line : split(group, '\n')) {
    auto fields = split(line, ':');
    if (fields.size() >= 3 && fields[0] == name) return as_number(fields[2]);
  }
  return std::nullopt;
}

std::vector<uint32_t> groups_of(std::string_view group, std::string_view user) {
  std::vector<uint32_t> result;
  for (auto line : split(group, '\n')) {
    auto fields = split(line, ':');
    if (fields.size() < 4) continue;
    auto members = split(fields[3], ',');
    auto gid = as_number(fields[2]);
    if (gid && std::find(members.begin(), members.end(), user) != members.end()) result.push_back(*gid);
  }
  return result;
}

/// The first level that sets a field wins.
template <class T>
std::optional<T> first_of(std::optional<T> security_context::*field,
                          const std::optional<security_context>& container,
                          const std::optional<security_context>& pod) {
  if (container && (*container).*field) return (*container).*field;
  if (pod) return (*pod).*field;
  return std::nullopt;
}

} // namespace

caf::expected<resolved_user> resolve_user(const std::optional<security_context>& container,
                                          const std::optional<security_context>& pod,
                                          std::string_view image_user, std::string_view passwd,
                                          std::string_view group) {
  resolved_user result;
  auto parts = split(image_user, ':');
  std::string_view user_text = parts[0], group_text = parts.size() > 1 ? parts[1] : std::string_view{};
  auto run_as = first_of(&security_context::run_as_user, container, pod);
  auto non_root = first_of(&security_context::run_as_non_root, container, pod).value_or(false);
  std::optional<passwd_entry> entry;
  if (run_as) {
    result.uid = static_cast<uint32_t>(*run_as);
    group_text = {}; // the image's group belongs to the image's user
    entry = find_user(passwd, [&](auto& e) { return e.uid == result.uid; });
  } else if (auto number = as_number(user_text)) {
    result.uid = *number;
    entry = find_user(passwd, [&](auto& e) { return e.uid == result.uid; });
  } else if (!user_text.empty()) {
    if (non_root)
      return make_error(errc::container_config, "container has runAsNonRoot and image has non-numeric user ("
                                                    + std::string{user_text}
                                                    + "), cannot verify user is non-root");
    entry = find_user(passwd, [&](auto& e) { return e.name == user_text; });
    if (!entry)
      return make_error(errc::container_create, "unable to find user " + std::string{user_text}
                                                    + ": no matching entries in passwd file");
    result.uid = entry->uid;
  } else {
    entry = find_user(passwd, [](auto& e) { return e.uid == 0; });
  }
  if (non_root && result.uid == 0)
    return make_error(errc::container_config, run_as
                                                  ? "container's runAsUser breaks non-root policy"
                                                  : "container has runAsNonRoot and image will run as root");
  if (entry) {
    result.gid = entry->gid;
    result.home = entry->home;
    // Strict: only the groups that the pod itself names.
    if (!pod || pod->supplemental_groups_policy != "Strict") result.groups = groups_of(group, entry->name);
  }
  if (!group_text.empty()) {
    auto gid = as_number(group_text);
    if (!gid) gid = find_group(group, group_text);
    if (!gid)
      return make_error(errc::container_create, "unable to find group " + std::string{group_text}
                                                    + ": no matching entries in group file");
    result.gid = *gid;
  }
  if (auto gid = first_of(&security_context::run_as_group, container, pod))
    result.gid = static_cast<uint32_t>(*gid);
  if (pod) {
    for (auto gid : pod->supplemental_groups)
      result.groups.push_back(static_cast<uint32_t>(gid));
    if (pod->fs_group) result.groups.push_back(static_cast<uint32_t>(*pod->fs_group));
  }
  std::sort(result.groups.begin(), result.groups.end());
  result.groups.erase(std::unique(result.groups.begin(), result.groups.end()), result.groups.end());
  return result;
}

std::string read_in_root(const std::string& root, const std::string& path, size_t limit_bytes) {
  unique_fd base{::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  std::string text;
  if (!base) return text;
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK; // a fifo in an image must not hold us up
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  unique_fd fd{static_cast<int>(::syscall(SYS_openat2, base.get(), path.c_str(), &how, sizeof how))};
  struct stat facts {};
  if (!fd || ::fstat(fd.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) return text;
  char buffer[8192];
  while (text.size() < limit_bytes) {
    auto n = ::read(fd.get(), buffer, std::min(sizeof buffer, limit_bytes - text.size()));
    if (n <= 0) break;
    text.append(buffer, static_cast<size_t>(n));
  }
  return text;
}

} // namespace podium
