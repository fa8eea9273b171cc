#include "podium/data_dir.hpp"

#include "core/error.hpp"
#include "runtime/process/spawn.hpp"
#include "runtime/process/unique_fd.hpp"

#include <boost/json.hpp>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <openssl/evp.h>
#include <poll.h>
#include <sys/file.h>
#include <unistd.h>

namespace podium {
namespace {

namespace fs = std::filesystem;

constexpr int end_wait_ms = 1'000;

caf::error make_private(const fs::path& dir) {
  std::error_code ec;
  fs::create_directories(dir, ec);
  if (!ec) fs::permissions(dir, fs::perms::owner_all, ec);
  if (!ec) return {};
  std::string hint = ::geteuid() == 0 ? "" : " (podium needs root)";
  return make_error(errc::io, "cannot make " + dir.string() + ": " + ec.message() + hint);
}

std::string base64(const std::string& text) {
  std::string out(4 * ((text.size() + 2) / 3) + 1, '\0');
  auto n =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                      reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  out.resize(static_cast<size_t>(n));
  return out;
}

} // namespace

namespace {

/// Opens `path` and locks it for this process alone.
caf::expected<int> lock_file(const std::string& path, const std::string& dir) {
  auto fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return errno_error("cannot open " + path, errno);
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  ::close(fd);
  return make_error(errc::conflict,
                    "another podium runs on " + dir
                        + ": stop it with `podium down`, or give this one its own --data-dir, --run-dir and "
                          "--listen, and in --config its own network.bridge and network.podCIDR");
}

pid_t number_in(int fd) {
  char text[32] = {};
  auto n = ::pread(fd, text, sizeof text - 1, 0);
  return n > 0 ? static_cast<pid_t>(std::strtol(text, nullptr, 10)) : 0;
}

/// Whether the daemon that a pid file names ends within a second: one that was killed keeps its locks until
/// its last thread is gone, and whoever starts the next one need not know.
bool sees_the_end_of(const std::string& pid_path) {
  unique_fd file{::open(pid_path.c_str(), O_RDONLY | O_CLOEXEC)};
  auto pid = file ? number_in(file.get()) : 0;
  if (pid <= 1 || pid == ::getpid()) return false;
  auto process = open_pidfd(pid);
  if (!process) return true; // just now
  pollfd ended{process->get(), POLLIN, 0};
  return ::poll(&ended, 1, end_wait_ms) > 0;
}

} // namespace

caf::expected<data_dir_lock> data_dir_lock::take(const config::settings& settings) {
  for (auto& dir : {settings.data_dir, settings.run_dir})
    if (auto err = make_private(dir)) return err;
  auto pid_path = pid_file_of(settings);
  auto lock = [&](const std::string& path, const std::string& dir) {
    auto fd = lock_file(path, dir);
    return !fd && code_of(fd.error()) == errc::conflict && sees_the_end_of(pid_path) ? lock_file(path, dir)
                                                                                     : fd;
  };
  auto data = lock(settings.data_dir + "/lock", settings.data_dir);
  if (!data) return data.error();
  auto pid = lock(pid_path, settings.run_dir);
  if (!pid) {
    ::close(*data);
    return pid.error();
  }
  auto text = std::to_string(::getpid()) + "\n";
  if (::ftruncate(*pid, 0) != 0 || ::pwrite(*pid, text.data(), text.size(), 0) < 0) {
    auto err = errno_error("cannot write " + pid_path, errno);
    ::close(*data);
    ::close(*pid);
    return err;
  }
  return data_dir_lock{*data, *pid, pid_path};
}

data_dir_lock::~data_dir_lock() {
  if (data_fd_ < 0) return;
  ::unlink(pid_path_.c_str());
  ::close(pid_fd_);
  ::close(data_fd_);
}

std::string pid_file_of(const config::settings& settings) {
  return settings.run_dir + "/podium.pid";
}

caf::expected<pid_t> running_daemon(const config::settings& settings) {
  auto none = [&] {
    std::error_code no_directory;
    auto pods = fs::directory_iterator{settings.data_dir + "/pods", no_directory};
    auto left = no_directory ? 0 : std::distance(begin(pods), end(pods));
    return make_error(errc::not_found,
                      "no podium runs on " + settings.run_dir
                          + (left > 0 ? "; what it ran may still run (" + std::to_string(left)
                                            + (left == 1 ? " pod" : " pods")
                                            + "): start it with podium up, then podium down ends them"
                                      : ""));
  };
  auto fd = ::open(pid_file_of(settings).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return none();
  // A file that can be locked was left by a daemon that is dead: its number may be somebody else's by now.
  bool alive = ::flock(fd, LOCK_SH | LOCK_NB) != 0;
  auto pid = alive ? number_in(fd) : 0;
  ::close(fd);
  if (pid <= 1) return none();
  return pid;
}

std::string kubeconfig_text(const std::string& url, const std::string& ca, const std::string& certificate,
                            const std::string& key, const std::string& user) {
  // JSON's quotes are YAML's: a user's name may hold what YAML would read otherwise.
  auto name = boost::json::serialize(boost::json::string{user});
  return "apiVersion: v1\nkind: Config\ncurrent-context: podium\n"
         "clusters:\n- name: podium\n  cluster:\n    server: "
         + url + "\n    certificate-authority-data: " + base64(ca)
         + "\ncontexts:\n- name: podium\n  context:\n    cluster: podium\n    user: " + name
         + "\nusers:\n- name: " + name + "\n  user:\n    client-certificate-data: " + base64(certificate)
         + "\n    client-key-data: " + base64(key) + "\n";
}

} // namespace podium
