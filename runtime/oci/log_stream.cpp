#include "runtime/oci/log_stream.hpp"

#include "core/error.hpp"
#include "runtime/oci/log_format.hpp"
#include "runtime/process/directory_watch.hpp"
#include <algorithm>
#include <fcntl.h>
#include <sys/stat.h>

namespace podium {
namespace {

/// Read at a time: what a request holds in memory is a small multiple of it.
constexpr size_t piece_bytes = 64 * 1024;
/// conmon breaks lines long before this; a longer one is no log line and is passed over.
constexpr size_t longest_line_bytes = 4 * piece_bytes;

/// Where the last `lines` lines of a file begin.
off_t start_of_tail(int fd, int64_t lines) {
  struct stat facts {};
  if (::fstat(fd, &facts) != 0) return 0;
  if (lines <= 0) return facts.st_size;
  std::string buffer(piece_bytes, '\0');
  int64_t seen = 0;
  for (off_t end = facts.st_size; end > 0;) {
    auto size = std::min<off_t>(end, static_cast<off_t>(buffer.size()));
    if (::pread(fd, buffer.data(), static_cast<size_t>(size), end - size) != size) return 0;
    for (off_t i = size; i-- > 0;) {
      if (buffer[static_cast<size_t>(i)] != '\n') continue;
      // The newline before the first wanted line is one more than there are lines, the file's last newline
      // included.
      if (++seen > lines) return end - size + i + 1;
    }
    end -= size;
  }
  return 0;
}

/// What a pool thread works on; one job at a time.
struct reader {
  std::string path;
  log_formatter format;
  std::optional<int64_t> tail;
  unique_fd fd;
  off_t offset = 0;
  size_t window = piece_bytes;

  struct piece {
    std::string text;
    bool at_end = false;
  };

  piece next() {
    piece result;
    if (!fd) {
      fd.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
      if (!fd) return {{}, true};
      if (tail) offset = start_of_tail(fd.get(), *tail);
      tail.reset();
    }
    std::string buffer(window, '\0');
    auto n = ::pread(fd.get(), buffer.data(), buffer.size(), offset);
    if (n < 0) n = 0;
    auto used = format.feed({buffer.data(), static_cast<size_t>(n)}, result.text);
    offset += static_cast<off_t>(used);
    if (used == 0 && static_cast<size_t>(n) == window) {
      if (window < longest_line_bytes)
        window *= 2;
      else
        offset += n;
      return result;
    }
    window = piece_bytes;
    result.at_end = static_cast<size_t>(n) < buffer.size() && !rotated(used);
    return result;
  }

  /// At the end of a file that has been renamed, its successor is opened.
  bool rotated(size_t used) {
    struct stat mine {
    }, current{};
    if (::fstat(fd.get(), &mine) != 0 || ::lstat(path.c_str(), &current) != 0
        || mine.st_ino == current.st_ino)
      return false;
    // What came in between our read and the rename is still to be read
    // (half a line that nobody will finish is not waited for).
    if (used > 0 && mine.st_size > offset) return true;
    fd.reset();
    offset = 0;
    return true;
  }
};

class log_stream final : public container_stream, public std::enable_shared_from_this<log_stream> {
public:
  log_stream(oci_runtime& runtime, container_key key, std::string path, const log_request& request,
             stream_events events)
      : runtime_(runtime), loop_(runtime.loop()), pool_(runtime.pool()), key_(std::move(key)),
        follow_(request.follow), events_(std::move(events)),
        reader_(std::make_shared<reader>(
            reader{std::move(path),
                   log_formatter{request.timestamps, request.since, request.limit_bytes.value_or(-1)},
                   request.tail_lines,
                   {}})) {}
  ~log_stream() override { close(); }

  /// A follower that would never hear of new lines is refused, not left waiting.
  void watch() {
    auto directory = reader_->path.substr(0, reader_->path.rfind('/'));
    auto id = runtime_.directories().add(directory, [weak = weak_from_this()] {
      auto s = weak.lock();
      if (!s) return;
      s->changed_ = true;
      s->pump();
    });
    if (id)
      watch_id_ = *id;
    else
      unwatched_ = std::move(id.error());
  }

  void await_end() {
    end_id_ = runtime_.when_ended(key_, [weak = weak_from_this()] {
      if (auto s = weak.lock()) s->container_ended();
    });
  }

  /// The container has ended: what is in the file now is all.
  void container_ended() {
    over_ = true;
    changed_ = true;
    pump();
  }

  void pump() {
    if (closed_ || busy_ || paused_ || (at_end_ && !changed_)) return;
    busy_ = true;
    changed_ = false;
    if (unwatched_) return end(std::move(unwatched_));
    bool was_over = over_;
    auto piece = std::make_shared<reader::piece>();
    bool taken = pool_.submit([r = reader_, piece] { *piece = r->next(); },
                              [weak = weak_from_this(), piece, was_over] {
                                if (auto s = weak.lock()) s->got(*piece, was_over);
                              });
    if (!taken) end(make_error(errc::unavailable, "too much work is queued on this node"));
  }

  void write(std::string) override {}
  void finish_input() override {}
  size_t queued_bytes() const override { return 0; }
  void pause() override { paused_ = true; }
  void resume() override {
    paused_ = false;
    pump();
  }
  void resize(uint16_t, uint16_t) override {}
  void close() override {
    if (std::exchange(closed_, true)) return;
    events_ = {};
    runtime_.forget_end(key_, end_id_);
    runtime_.directories().remove(watch_id_);
  }

private:
  void got(const reader::piece& piece, bool was_over) {
    busy_ = false;
    if (closed_) return;
    at_end_ = piece.at_end;
    auto keep = shared_from_this();
    if (!piece.text.empty() && events_.out) events_.out(piece.text);
    if (closed_) return;
    // The last look must have begun after the container's end was known.
    if (reader_->format.full() || (at_end_ && (!follow_ || was_over))) return end(0);
    pump();
  }
  void end(caf::expected<int> how) {
    auto ended = std::move(events_.ended);
    close();
    if (ended) ended(std::move(how));
  }

  oci_runtime& runtime_;
  event_loop& loop_;
  work_pool& pool_;
  const container_key key_;
  uint64_t end_id_ = 0;
  bool follow_;
  stream_events events_;
  std::shared_ptr<reader> reader_;
  uint64_t watch_id_ = 0;
  caf::error unwatched_;
  bool busy_ = false, paused_ = false, closed_ = false, over_ = false, at_end_ = false, changed_ = true;
};

} // namespace

container_streams::stream start_log_stream(oci_runtime& runtime, const running_container& container,
                                           const log_request& request, stream_events events) {
  auto stream =
      std::make_shared<log_stream>(runtime, container.key, container.log_path, request, std::move(events));
  if (request.follow) {
    stream->watch();
    stream->await_end();
  }
  // From the loop, so that nothing is called back before the caller has the stream.
  runtime.loop().after(nanoseconds{0}, [weak = std::weak_ptr<log_stream>{stream}] {
    if (auto s = weak.lock()) s->pump();
  });
  return std::shared_ptr<container_stream>{stream};
}

} // namespace podium
