#include "runtime/oci/exec_stream.hpp"

#include "core/error.hpp"
#include "runtime/oci/exec_command.hpp"
#include "runtime/oci/instance_files.hpp"
#include "runtime/oci/small_files.hpp"
#include "runtime/oci/unix_socket.hpp"
#include "runtime/process/fd_stream.hpp"
#include "runtime/process/fd_watch.hpp"
#include <boost/json.hpp>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace podium {
namespace {

using namespace std::chrono_literals;

/// After the exit, output that a left-over child holds open is waited for as long as it keeps coming.
constexpr auto linger = 500ms;
/// The descriptor of the console socket's directory in the runtime.
constexpr int console_fd = 4;
/// How crun's word on a command that is not there begins, and how long it may be.
constexpr std::string_view runtime_words = "executable file `";
constexpr size_t held_limit = 4096;

class exec_stream final : public container_stream, public std::enable_shared_from_this<exec_stream> {
public:
  exec_stream(oci_runtime& runtime, running_container container, stream_events events)
      : runtime_(runtime), loop_(runtime.loop()), container_(std::move(container)),
        events_(std::move(events)) {}
  ~exec_stream() override { close(); }

  caf::error start(const exec_stream_request& request);

  void write(std::string bytes) override {
    if (auto* in = input())
      in->write(std::move(bytes));
    else if (waiting_for_terminal_)
      early_input_ += bytes;
  }
  void finish_input() override {
    if (in_) in_->finish_writing(); // a terminal has no end of input short of its hangup
  }
  size_t queued_bytes() const override {
    if (in_) return in_->queued_bytes();
    return terminal_ ? terminal_->queued_bytes() : early_input_.size();
  }
  void pause() override {
    paused_ = true;
    for (auto* s : {&out_, &err_, &terminal_})
      if (*s) (*s)->pause();
  }
  void resume() override {
    paused_ = false;
    auto keep = shared_from_this();
    for (auto* s : {&out_, &err_, &terminal_})
      if (*s) (*s)->resume();
  }
  void resize(uint16_t columns, uint16_t rows) override {
    size_ = {rows, columns, 0, 0};
    if (terminal_fd_) ::ioctl(terminal_fd_.get(), TIOCSWINSZ, &size_);
  }
  void close() override;

private:
  fd_stream* input() { return in_ ? in_.get() : terminal_.get(); }
  caf::error open_console(spawn_request& process, exec_options& options);
  void console_connected();
  void terminal_came();
  void read_from(std::unique_ptr<fd_stream>& stream, unique_fd fd,
                 std::function<void(std::string_view)> sink);
  void drained() {
    if (events_.drained) events_.drained();
  }
  void exited(exit_status status);
  void stream_ended();
  void take_errors(std::string_view bytes);
  void let_errors_go();
  void arm_linger();
  void end_if_done();
  void release();

  oci_runtime& runtime_;
  event_loop& loop_;
  running_container container_;
  stream_events events_;
  unique_fd errors_;
  std::unique_ptr<fd_stream> in_, out_, err_, terminal_;
  unique_fd console_directory_, console_socket_, terminal_fd_;
  std::unique_ptr<fd_watch> console_watch_;
  std::string console_name_, early_input_;
  std::string held_; ///< the beginning of stderr, while it may be the runtime's own word
  winsize size_{};
  pid_t pid_ = 0;
  exit_status status_;
  int open_ = 0;
  uint64_t linger_timer_ = 0;
  bool judged_ = false; ///< what is on stderr is the command's
  bool waiting_for_terminal_ = false, exited_ = false, paused_ = false, closed_ = false, heard_ = false;
};

caf::error exec_stream::start(const exec_stream_request& request) {
  auto errors = make_error_file();
  if (!errors) return errors.error();
  errors_ = std::move(*errors);
  spawn_request process;
  exec_options options;
  options.tty = request.tty;
  process.env = exec_environment();
  auto what = make_exec_process(container_.directory, request.command, request.tty);
  if (!what) return what.error();
  process.fds = {{errors_.get(), exec_error_fd}, {what->file.get(), exec_process_fd}};
  process.oom_score_adj = what->oom_score_adj;
  std::pair<unique_fd, unique_fd> in, out, err;
  auto pipe_into = [](std::pair<unique_fd, unique_fd>& ends) {
    auto p = make_pipe();
    if (!p) return p.error();
    ends = std::move(*p);
    return caf::error{};
  };
  if (request.tty) {
    if (auto failed = open_console(process, options)) return failed;
  } else {
    if (request.stdin_)
      if (auto failed = pipe_into(in)) return failed;
    if (auto failed = pipe_into(out)) return failed;
    if (auto failed = pipe_into(err)) return failed;
    process.stdin_fd = in.first.get();
    process.stdout_fd = out.second.get();
    process.stderr_fd = err.second.get();
  }
  process.argv = exec_arguments(runtime_.program(), runtime_state_directory(runtime_.settings()),
                                container_.id, options);
  auto self = shared_from_this();
  auto pid = runtime_.children().spawn(process, [weak = weak_from_this()](exit_status status) {
    if (auto s = weak.lock()) s->exited(status);
  });
  if (!pid) return pid.error();
  pid_ = *pid;
  if (request.tty) return {};
  if (in.second) {
    in_ = std::make_unique<fd_stream>(loop_, std::move(in.second));
    in_->on_drain([weak = weak_from_this()] {
      if (auto s = weak.lock()) s->drained();
    });
  }
  read_from(out_, std::move(out.first), events_.out);
  read_from(err_, std::move(err.first), [raw = this](std::string_view bytes) { raw->take_errors(bytes); });
  return {};
}

caf::error exec_stream::open_console(spawn_request& process, exec_options& options) {
  static std::atomic<uint64_t> counter{0};
  console_name_ = "console-" + std::to_string(++counter);
  auto directory = runtime_.settings().run_root;
  console_directory_.reset(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!console_directory_) return errno_error(directory, errno);
  ::unlinkat(console_directory_.get(), console_name_.c_str(), 0);
  auto socket = listen_in(console_directory_.get(), console_name_);
  if (!socket) return socket.error();
  console_socket_ = std::move(*socket);
  console_watch_ = std::make_unique<fd_watch>(loop_, console_socket_.get(), [weak = weak_from_this()] {
    if (auto s = weak.lock()) s->console_connected();
  });
  waiting_for_terminal_ = true;
  process.fds.emplace_back(console_directory_.get(), console_fd);
  options.console_socket = "/proc/self/fd/" + std::to_string(console_fd) + "/" + console_name_;
  return {};
}

void exec_stream::console_connected() {
  unique_fd peer{::accept4(console_socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
  if (!peer) return;
  console_watch_.reset(); // before its descriptor goes
  // The runtime connects early and sends the terminal once the process has it.
  console_socket_ = std::move(peer);
  console_watch_ = std::make_unique<fd_watch>(loop_, console_socket_.get(), [weak = weak_from_this()] {
    if (auto s = weak.lock()) s->terminal_came();
  });
}

void exec_stream::terminal_came() {
  auto terminal = receive_fd(console_socket_.get());
  release();
  waiting_for_terminal_ = false;
  if (!terminal) return end_if_done();
  terminal_fd_.reset(::fcntl(terminal.get(), F_DUPFD_CLOEXEC, 3));
  if (size_.ws_col != 0) ::ioctl(terminal_fd_.get(), TIOCSWINSZ, &size_);
  read_from(terminal_, std::move(terminal), events_.out);
  terminal_->on_drain([weak = weak_from_this()] {
    if (auto s = weak.lock()) s->drained();
  });
  if (!early_input_.empty()) terminal_->write(std::exchange(early_input_, {}));
}

/// The console socket is needed once.
void exec_stream::release() {
  console_watch_.reset();
  console_socket_.reset();
  if (console_directory_) ::unlinkat(console_directory_.get(), console_name_.c_str(), 0);
  console_directory_.reset();
}

void exec_stream::read_from(std::unique_ptr<fd_stream>& stream, unique_fd fd,
                            std::function<void(std::string_view)> sink) {
  ++open_;
  stream = std::make_unique<fd_stream>(loop_, std::move(fd));
  stream->read(
      [weak = weak_from_this(), sink = std::move(sink)](std::string_view bytes) {
        auto s = weak.lock();
        if (!s) return;
        s->heard_ = true;
        if (sink) sink(bytes);
      },
      [weak = weak_from_this()] {
        if (auto s = weak.lock()) s->stream_ended();
      });
  if (paused_) stream->pause();
}

void exec_stream::exited(exit_status status) {
  status_ = status;
  exited_ = true;
  pid_ = 0;
  if (waiting_for_terminal_) release();
  end_if_done();
}

void exec_stream::stream_ended() {
  --open_;
  end_if_done();
}

/// A runtime that cannot start the command says so on the stderr that the command would have had, and in its
/// log. The client is told once: what begins like that is held back until the end shows whose it was.
void exec_stream::take_errors(std::string_view bytes) {
  if (!judged_) {
    held_ += bytes;
    auto same = std::min(held_.size(), runtime_words.size());
    if (held_.size() <= held_limit
        && std::string_view{held_}.substr(0, same) == runtime_words.substr(0, same))
      return;
    return let_errors_go();
  }
  if (events_.err) events_.err(bytes);
}

void exec_stream::let_errors_go() {
  judged_ = true;
  auto bytes = std::exchange(held_, {});
  if (!bytes.empty() && events_.err) events_.err(bytes);
}

void exec_stream::arm_linger() {
  heard_ = false;
  linger_timer_ = loop_.after(linger, [weak = weak_from_this()] {
    auto s = weak.lock();
    if (!s) return;
    s->linger_timer_ = 0;
    if (s->paused_ || s->heard_) return s->arm_linger();
    s->open_ = 0;
    s->end_if_done();
  });
}

void exec_stream::end_if_done() {
  if (closed_ || !exited_) return;
  if (open_ > 0) {
    if (linger_timer_ == 0) arm_linger();
    return;
  }
  auto keep = shared_from_this();
  int code = status_.shell_code();
  auto why = code != 0 ? exec_error(errors_) : std::string{};
  if (why.empty()) let_errors_go();
  auto ended = std::move(events_.ended);
  close();
  if (!ended) return;
  if (!why.empty()) return ended(make_error(errc::container_start, why));
  ended(code);
}

void exec_stream::close() {
  if (std::exchange(closed_, true)) return;
  events_ = {};
  release();
  if (linger_timer_ != 0) loop_.cancel(std::exchange(linger_timer_, 0));
  if (pid_ > 0)
    runtime_.children().kill(pid_, [list = runtime_.processes(container_.cgroup)] { return list; });
  in_.reset();
  out_.reset();
  err_.reset();
  terminal_.reset();
  terminal_fd_.reset();
}

} // namespace

container_streams::stream start_exec_stream(oci_runtime& runtime, const running_container& container,
                                            const exec_stream_request& request, stream_events events) {
  auto stream = std::make_shared<exec_stream>(runtime, container, std::move(events));
  if (auto failed = stream->start(request)) {
    stream->close();
    return failed;
  }
  return std::shared_ptr<container_stream>{stream};
}

} // namespace podium
