// A server's side of SPDY/3.1 over any byte stream: the client opens streams, both ends write to them. Input
// that nobody takes is kept up to a limit, then the whole connection waits: SPDY as Kubernetes speaks it has
// no windows.
#pragma once
#include "runtime/http/byte_stream.hpp"
#include "runtime/http/spdy_codec.hpp"

#include <map>

namespace podium {

class spdy_session;

/// Loop thread only. Every call is safe after the connection died (it does nothing). Callbacks come from the
/// loop, never from inside a call.
class spdy_stream : public std::enable_shared_from_this<spdy_stream> {
public:
  spdy_stream(std::weak_ptr<spdy_session> session, uint32_t id, spdy_headers headers);
  ~spdy_stream();
  spdy_stream(const spdy_stream&) = delete;
  spdy_stream& operator=(const spdy_stream&) = delete;

  uint32_t id() const { return id_; }
  std::string_view header(std::string_view name) const { return find_header(headers_, name); }

  /// Bytes that arrived. What came before this is set waits for it.
  void on_data(std::function<void(std::string_view)> f);
  /// The client will send nothing more; after all data.
  void on_end(std::function<void()> f);
  /// The client reset the stream or the connection is gone. Not called when both ends have finished, or after
  /// reset().
  void on_close(std::function<void()> f) { on_close_ = std::move(f); }
  /// False when nothing that is written is sent any more.
  bool is_open() const { return !local_done_; }
  /// Sends bytes. False: the connection has no room, wait for spdy_session::on_room.
  bool write(std::string_view bytes);
  /// Sends nothing more.
  void finish();
  /// Ends both directions at once; what has arrived is dropped.
  void reset(spdy_status why);
  void pause_reading() { paused_ = true; }
  void resume_reading();

private:
  friend class spdy_session;
  void accept(std::string_view bytes, bool fin);
  void deliver();
  void deliver_later();
  void closed();
  void drop_input();

  std::weak_ptr<spdy_session> session_;
  const uint32_t id_;
  const spdy_headers headers_;
  std::string inbox_;
  bool paused_ = false, local_done_ = false, remote_done_ = false, end_told_ = false, closed_ = false;
  std::function<void(std::string_view)> on_data_;
  std::function<void()> on_end_, on_close_;
};

/// What a client may make a session hold.
struct spdy_session_limits {
  spdy_limits frames;
  size_t streams = 1024;                    ///< open at a time; more are refused
  size_t stream_input_bytes = 256 * 1024;   ///< kept for a stream that is not read
  size_t session_input_bytes = 1024 * 1024; ///< ... and for all of them
};

/// Loop thread only. Dropping the last reference says goodbye and closes, without on_close.
class spdy_session : public std::enable_shared_from_this<spdy_session> {
public:
  using stream_ptr = std::shared_ptr<spdy_stream>;

  static std::shared_ptr<spdy_session> make(std::shared_ptr<byte_stream> transport,
                                            const spdy_session_limits& limits = {});
  ~spdy_session();
  spdy_session(const spdy_session&) = delete;
  spdy_session& operator=(const spdy_session&) = delete;

  /// A stream that the client opens. True: it is answered, and open until both ends have finished it; its
  /// data comes later. False: it is refused. What came before this is set waits for it.
  void on_stream(std::function<bool(const stream_ptr&)> f);
  /// False: the client does not read as fast as it is written to, every source should pause; true: they may
  /// go on. The one callback that also comes from inside a write().
  void on_room(std::function<void(bool)> f) { on_room_ = std::move(f); }
  /// Called exactly once: the connection is gone. The error says how the client broke the rules, if it did.
  void on_close(std::function<void(const caf::error&)> f) { on_close_ = std::move(f); }
  bool has_room() const { return room_; }
  /// Sends GOAWAY behind all that is queued and ends the connection.
  void close() { end(spdy_status::ok); }
  bool is_open() const { return !ended_; }
  /// Open streams.
  size_t size() const { return streams_.size(); }
  /// Input that waits for its reader, of all streams.
  size_t buffered() const { return buffered_; }
  /// Calls `f` from the loop, soon; dropped when the connection is gone.
  void defer(std::function<void()> f) { transport_->defer(std::move(f)); }

private:
  friend class spdy_stream;
  spdy_session(std::shared_ptr<byte_stream> transport, const spdy_session_limits& limits);
  void start();
  void receive(std::string_view bytes);
  void take(spdy_syn_stream&& frame);
  void take(const spdy_syn_reply&) {}
  void take(const spdy_data& frame);
  void take(const spdy_rst_stream& frame);
  void take(const spdy_ping& frame);
  void take(const spdy_goaway&);
  void broken(caf::error why);
  bool send(std::string bytes);
  void remove(uint32_t id);
  void bounded_input();
  void end(spdy_status why);
  void closed();

  const spdy_session_limits limits_;
  const std::shared_ptr<byte_stream> transport_;
  spdy_decoder decoder_;
  spdy_encoder encoder_;
  std::map<uint32_t, stream_ptr> streams_;
  uint32_t last_id_ = 0;
  size_t buffered_ = 0;
  bool room_ = true, input_paused_ = false, client_leaves_ = false, ended_ = false;
  caf::error why_;
  std::function<bool(const stream_ptr&)> on_stream_;
  std::function<void(bool)> on_room_;
  std::function<void(const caf::error&)> on_close_;
};

} // namespace podium
