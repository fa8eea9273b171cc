#include "runtime/image/layer_stream.hpp"
#include "core/error.hpp"
#include <archive.h>
#include <archive_entry.h>
#include <cerrno>
#include <unistd.h>

namespace podium {

namespace {

std::string reason(archive* a) {
  auto* text = archive_error_string(a);
  return text ? text : "unknown error";
}

} // namespace

layer_stream::layer_stream(unique_fd blob, uint64_t limit_bytes)
    : blob_(std::move(blob)), limit_bytes_(limit_bytes), archive_(archive_read_new()), buffer_(128 * 1'024) {}

layer_stream::~layer_stream() {
  archive_read_free(archive_);
}

ssize_t layer_stream::read_blob(archive* a, void* self_ptr, const void** buffer) {
  auto* self = static_cast<layer_stream*>(self_ptr);
  while (true) {
    auto n = ::read(self->blob_.get(), self->buffer_.data(), self->buffer_.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      archive_set_error(a, errno, "cannot read the blob");
      return -1;
    }
    self->blob_hash_.update(self->buffer_.data(), static_cast<size_t>(n));
    *buffer = self->buffer_.data();
    return n;
  }
}

caf::error layer_stream::open() {
  archive_read_support_filter_gzip(archive_);
  archive_read_support_filter_zstd(archive_);
  archive_read_support_format_raw(archive_);
  archive_read_support_format_empty(archive_);
  archive_entry* entry = nullptr;
  if (archive_read_open(archive_, this, nullptr, read_blob, nullptr) != ARCHIVE_OK)
    return make_error(errc::image_pull, "cannot read the layer: " + reason(archive_));
  switch (archive_read_next_header(archive_, &entry)) {
  case ARCHIVE_OK:
    return {};
  case ARCHIVE_EOF:
    ended_ = true;
    return {};
  default:
    return make_error(errc::image_pull, "cannot decompress the layer: " + reason(archive_));
  }
}

caf::expected<std::span<const char>> layer_stream::next() {
  if (ended_) return std::span<const char>{};
  const void* data = nullptr;
  size_t size = 0;
  int64_t offset = 0;
  auto rc = archive_read_data_block(archive_, &data, &size, &offset);
  if (rc == ARCHIVE_EOF) {
    ended_ = true;
    return std::span<const char>{};
  }
  if (rc != ARCHIVE_OK)
    return make_error(errc::image_pull, "cannot decompress the layer: " + reason(archive_));
  given_bytes_ += size;
  if (given_bytes_ > limit_bytes_)
    return make_error(errc::too_large,
                      "the layer holds more than " + std::to_string(limit_bytes_) + " bytes");
  diff_hash_.update(data, size);
  return std::span{static_cast<const char*>(data), size};
}

caf::error layer_stream::drain() {
  while (!ended_) {
    auto chunk = next();
    if (!chunk) return std::move(chunk.error());
  }
  const void* ignored = nullptr;
  ssize_t n = 0;
  while ((n = read_blob(archive_, this, &ignored)) > 0) {
  }
  return n < 0 ? make_error(errc::image_pull, "cannot read the layer: " + reason(archive_)) : caf::error{};
}

} // namespace podium
