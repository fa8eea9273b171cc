// The daemon's directories: made private, held by one daemon at a time.
#pragma once
#include "config/settings.hpp"

#include <sys/types.h>
#include <utility>

namespace podium {

/// Holds the locks of a data and a run directory for as long as it lives; the latter is the pid file.
class data_dir_lock {
public:
  /// Makes the directories (0700) and locks. Error errc::conflict: another daemon is there.
  static caf::expected<data_dir_lock> take(const config::settings& settings);
  data_dir_lock(data_dir_lock&& other) noexcept
      : data_fd_(std::exchange(other.data_fd_, -1)), pid_fd_(std::exchange(other.pid_fd_, -1)),
        pid_path_(std::move(other.pid_path_)) {}
  data_dir_lock& operator=(data_dir_lock&&) = delete;
  ~data_dir_lock();

private:
  data_dir_lock(int data_fd, int pid_fd, std::string pid_path)
      : data_fd_(data_fd), pid_fd_(pid_fd), pid_path_(std::move(pid_path)) {}
  int data_fd_, pid_fd_;
  std::string pid_path_;
};

/// The file that names the daemon's process, locked while it lives.
std::string pid_file_of(const config::settings& settings);
/// The process of the daemon that runs on these directories. Error errc::not_found: none does.
caf::expected<pid_t> running_daemon(const config::settings& settings);

/// A kubeconfig with the CA, the server and a user's certificate in it.
std::string kubeconfig_text(const std::string& server_url, const std::string& ca_pem,
                            const std::string& certificate_pem, const std::string& key_pem,
                            const std::string& user = "admin");

} // namespace podium
