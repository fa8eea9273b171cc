// One accepted socket: reading, writing with a bounded queue, TLS, deadlines, closing. Internal to the
// server.
#pragma once
#include "runtime/http/server_core.hpp"
#include "runtime/http/tls.hpp"

namespace podium::http_detail {

/// What a connection tells its user. All calls come from the loop, never from inside a call into the
/// connection.
class connection_user {
public:
  virtual ~connection_user() = default;
  virtual void on_ready() = 0; ///< connected, and the TLS handshake is done
  virtual void on_bytes(std::string_view data) = 0;
  virtual void on_eof() = 0;
  virtual void on_turn() = 0; ///< once per loop turn with output or after kick()
  virtual void on_deadline() = 0;
  virtual void on_closed() = 0; ///< the last call
  virtual void on_server_stop() = 0;
};

class connection {
public:
  connection(std::shared_ptr<server_core> core, std::shared_ptr<tls_context> tls);
  /// The handle to accept into, once init_tcp() or init_pipe() has made it.
  uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&handle_); }
  int init(bool unix_socket);
  /// Takes the accepted socket into use.
  void start(std::unique_ptr<connection_user> user);

  void write(std::string bytes);
  void write(std::shared_ptr<const std::string> bytes);
  /// Bytes not yet taken by the kernel.
  size_t queued() const;
  /// Stops reading from the socket; nothing is delivered until resume().
  void pause();
  void resume();
  bool paused() const { return paused_; }
  /// Sends what is queued, then a FIN, then swallows input for a while, then closes. Nothing is delivered any
  /// more.
  void close_gracefully();
  /// Closes now; what is queued is lost.
  void abort();
  bool closing() const { return closing_; }
  bool finishing() const { return finishing_ || closing_; }
  /// Wants user->on_turn() soon.
  void kick();
  /// When user->on_deadline() is due, after `delay` from now; 0 ms clears.
  void set_deadline(std::chrono::milliseconds delay);

  server_core& core() { return *core_; }
  connection_user* user() { return user_.get(); }
  const peer_identity& peer() const { return peer_; }

private:
  friend class server_core;
  struct out_buffer {
    std::string own;
    std::shared_ptr<const std::string> shared;
    size_t offset = 0;
    std::string_view view() const { return std::string_view{shared ? *shared : own}.substr(offset); }
  };
  struct write_op {
    uv_write_t request{};
    std::vector<out_buffer> buffers;
  };

  void read_start();
  void on_read(ssize_t n, const char* data);
  void refuse_plain_http();
  void decrypt();
  void deliver(std::string_view data);
  void saw_eof();
  void queue(out_buffer b);
  void account();
  void consume(size_t n);
  void pump();
  bool pump_plain();
  bool pump_tls();
  bool give_rest(std::vector<out_buffer> rest);
  void on_written(int status);
  void send_fin();
  void run_turn();
  void run_deadline();
  void schedule();
  void check_stall();

  uv_any_handle handle_{};
  std::shared_ptr<server_core> core_;
  std::unique_ptr<connection_user> user_;
  std::shared_ptr<tls_context> tls_context_; ///< null: plain
  std::unique_ptr<tls_engine> tls_;          ///< from the first byte on: who only connects costs little
  std::vector<out_buffer> out_;
  size_t out_head_ = 0, out_bytes_ = 0;
  size_t accounted_ = 0; ///< of queued(), what server_core::queued_bytes counts
  std::unique_ptr<write_op> op_;
  uint64_t given_ = 0; ///< bytes handed to libuv so far
  uint64_t taken_seen_ = 0, taken_at_ = 0;
  uint64_t user_deadline_ = 0, stall_check_ = 0;
  std::optional<server_core::deadline_map::iterator> entry_;
  peer_identity peer_;
  bool is_unix_ = false, ready_ = false, reading_ = false, paused_ = false, eof_ = false;
  bool finishing_ = false, fin_sent_ = false, closing_ = false, marked_ = false, resume_wanted_ = false;
};

} // namespace podium::http_detail
