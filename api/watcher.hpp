// One watch: where it stands, and what it still has to say. Internal to api/.
#pragma once
#include "api/read_stream.hpp"
#include "api/watch.hpp"

namespace podium::api {

struct watch_options {
  uint64_t since = 0;
  bool initial = false;      ///< begin with what is there
  bool initial_mark = false; ///< end the beginning with a marked bookmark
  bool bookmarks = false;
  nanoseconds time{0};
};

/// Loop thread only.
class watcher : public std::enable_shared_from_this<watcher> {
public:
  watcher(call_ptr c, selection select, watch_options options);

  /// Answers and begins, unless the client's handshake is no good.
  void start();
  /// Writes what there is, until the connection is full.
  void pump();
  /// Says goodbye and ends the stream.
  void finish();

private:
  bool write_initial();
  bool write_events();
  bool write_one(const watch_event& event);
  bool write(std::shared_ptr<const std::string> line);
  void bookmark(bool end_of_initial);
  void arm_bookmark();
  void lost();
  void detach();
  std::string first_line(std::string_view type, const object& obj);

  const call_ptr call_;
  std::shared_ptr<read_stream> out_;
  const selection select_;
  watch_options options_;
  uint64_t cursor_; ///< everything up to here was sent
  uint64_t bookmarked_ = 0;
  snapshot_ptr snapshot_; ///< what the beginning is read from
  std::string from_ns_, from_name_;
  bool begun_ = false; ///< (from_ns_, from_name_) was sent
  bool columns_due_;
  bool full_ = false, done_ = false, pumping_ = false;
  uint64_t end_timer_ = 0, bookmark_timer_ = 0;
};

} // namespace podium::api
