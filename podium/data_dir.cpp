#include "podium/data_dir.hpp"

#include "core/error.hpp"

#include <fcntl.h>
#include <filesystem>
#include <openssl/evp.h>
#include <sys/file.h>
#include <unistd.h>

namespace podium {
namespace {

namespace fs = std::filesystem;

caf::error make_private(const fs::path& dir) {
  std::error_code ec;
  fs::create_directories(dir, ec);
  if (!ec) fs::permissions(dir, fs::perms::owner_all, ec);
  return ec ? make_error(errc::io, "cannot make " + dir.string() + ": " + ec.message()) : caf::error{};
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

caf::expected<data_dir_lock> data_dir_lock::take(const config::settings& settings) {
  for (auto& dir : {settings.data_dir, settings.run_dir})
    if (auto err = make_private(dir)) return err;
  auto path = settings.data_dir + "/lock";
  auto fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return errno_error("cannot open " + path, errno);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    ::close(fd);
    return make_error(errc::conflict,
                      "another podium runs on " + settings.data_dir
                          + ": stop it with `podium down`, or give this one its own --data-dir");
  }
  return data_dir_lock{fd};
}

data_dir_lock::~data_dir_lock() {
  if (fd_ >= 0) ::close(fd_);
}

std::string kubeconfig_text(const std::string& url, const std::string& ca, const std::string& certificate,
                            const std::string& key) {
  return "apiVersion: v1\nkind: Config\ncurrent-context: podium\n"
         "clusters:\n- name: podium\n  cluster:\n    server: "
         + url + "\n    certificate-authority-data: " + base64(ca)
         + "\ncontexts:\n- name: podium\n  context:\n    cluster: podium\n    user: admin\n"
           "users:\n- name: admin\n  user:\n    client-certificate-data: "
         + base64(certificate) + "\n    client-key-data: " + base64(key) + "\n";
}

} // namespace podium
