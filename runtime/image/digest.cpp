#include "runtime/image/digest.hpp"
#include "core/error.hpp"
#include "runtime/process/unique_fd.hpp"
#include <cerrno>
#include <fcntl.h>
#include <openssl/evp.h>
#include <vector>

namespace podium {

struct sha256::impl {
  EVP_MD_CTX* ctx = EVP_MD_CTX_new();
};

sha256::sha256() : impl_(std::make_unique<impl>()) {
  EVP_DigestInit_ex(impl_->ctx, EVP_sha256(), nullptr);
}

sha256::~sha256() {
  EVP_MD_CTX_free(impl_->ctx);
}

void sha256::update(const void* data, size_t size) {
  EVP_DigestUpdate(impl_->ctx, data, size);
}

std::string sha256::finish() {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_DigestFinal_ex(impl_->ctx, bytes, &size);
  std::string result = "sha256:";
  for (unsigned i = 0; i < size; ++i) {
    result += "0123456789abcdef"[bytes[i] >> 4];
    result += "0123456789abcdef"[bytes[i] & 15];
  }
  return result;
}

std::string digest_of(std::string_view text) {
  sha256 hash;
  hash.update(text.data(), text.size());
  return hash.finish();
}

namespace {

// Hands a file's bytes to `use` until that returns false.
template <class F>
caf::error each_chunk(const std::filesystem::path& file, F use) {
  unique_fd fd{::open(file.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!fd) return errno_error("cannot open " + file.string(), errno);
  std::vector<char> buffer(256 * 1'024);
  while (true) {
    auto n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("cannot read " + file.string(), errno);
    if (n == 0 || !use(buffer.data(), static_cast<size_t>(n))) return {};
  }
}

} // namespace

caf::expected<std::string> digest_of_file(const std::filesystem::path& file) {
  sha256 hash;
  if (auto err = each_chunk(file, [&](const char* p, size_t n) {
        hash.update(p, n);
        return true;
      }))
    return err;
  return hash.finish();
}

caf::expected<std::string> read_file(const std::filesystem::path& file, size_t limit_bytes) {
  std::string text;
  if (auto err = each_chunk(file, [&](const char* p, size_t n) {
        text.append(p, n);
        return text.size() <= limit_bytes;
      }))
    return err;
  if (text.size() > limit_bytes)
    return make_error(errc::too_large,
                      file.string() + " is larger than " + std::to_string(limit_bytes) + " bytes");
  return text;
}

} // namespace podium
