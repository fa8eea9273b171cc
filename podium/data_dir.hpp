// The daemon's directories: made private, held by one daemon at a time.
#pragma once
#include "config/settings.hpp"

namespace podium {

/// Holds the lock of a data directory for as long as it lives.
class data_dir_lock {
public:
  /// Makes the data and run directories (0700) and locks. Error errc::conflict: another daemon is there.
  static caf::expected<data_dir_lock> take(const config::settings& settings);
  data_dir_lock(data_dir_lock&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  data_dir_lock& operator=(data_dir_lock&&) = delete;
  ~data_dir_lock();

private:
  explicit data_dir_lock(int fd) : fd_(fd) {}
  int fd_;
};

/// A kubeconfig with the CA, the server and the administrator's certificate in it.
std::string kubeconfig_text(const std::string& server_url, const std::string& ca_pem,
                            const std::string& certificate_pem, const std::string& key_pem);

} // namespace podium
