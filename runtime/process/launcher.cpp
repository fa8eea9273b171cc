#include "runtime/process/launcher.hpp"

#include "core/error.hpp"
#include "runtime/process/fd_stream.hpp"
#include "runtime/process/fd_watch.hpp"
#include "runtime/process/process_tree.hpp"
#include <algorithm>
#include <csignal>
#include <fstream>
#include <map>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <unordered_map>
#include <uv.h>

namespace podium {

using namespace std::chrono_literals;

namespace {

/// How long a zombie that we did not start may lie before we take it: whoever else forks in this process
/// (popen, a library) waits for its child itself, and at once.
constexpr auto adopted_grace = 1s;
/// A look for zombies although no SIGCHLD came: the signal may be blocked in every thread.
constexpr auto safety_net = 30s;

/// A tree to kill.
struct doomed {
  pid_t root = 0;
  std::function<std::vector<pid_t>()> suspects;

  void kill() const { kill_tree(root, suspects ? suspects() : std::vector<pid_t>{}); }
};

exit_status status_of(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) return {info.si_status, 0};
  return {0, info.si_status};
}

} // namespace

struct launcher::impl : std::enable_shared_from_this<launcher::impl> {
  struct child {
    unique_fd pidfd;
    std::unique_ptr<fd_watch> watch;
    std::function<void(exit_status)> on_exit;
  };
  struct watched {
    pid_t pid = 0;
    unique_fd pidfd;
    std::unique_ptr<fd_watch> watch;
    std::function<void()> ended;
  };
  struct running {
    pid_t pid = 0;
    command what;
    std::function<void(caf::expected<command_result>)> done;
    command_result result;
    std::unique_ptr<fd_stream> in, out, err;
    bool exited = false;
    int open_streams = 0;
    uint64_t deadline = 0, linger = 0;
  };

  explicit impl(event_loop& l) : loop(l) {}

  event_loop& loop;
  std::map<pid_t, child> children;
  std::map<uint64_t, watched> watches;
  std::map<uint64_t, std::shared_ptr<running>> commands;
  uint64_t next_id = 0;
  uv_signal_t* sigchld = nullptr;
  uint64_t look_timer = 0, net_timer = 0;
  pid_t young_zombie = 0; // seen at the last look
  // Trees are killed in rounds, by a thread that lives for one. As long as it lasts no process is reaped that
  // it may name: a number that is free again may be given to a stranger.
  std::vector<doomed> to_kill; // in the next round
  std::shared_ptr<const std::vector<doomed>> round;
  std::thread killer;

  void start() {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    sigchld = new uv_signal_t;
    uv_signal_init(loop.raw(), sigchld);
    sigchld->data = this;
    uv_signal_start(
        sigchld, [](uv_signal_t* h, int) { static_cast<impl*>(h->data)->reap_adopted(); }, SIGCHLD);
    arm_safety_net();
  }

  void arm_safety_net() {
    net_timer = loop.after(safety_net, [this] {
      reap_adopted();
      arm_safety_net();
    });
  }

  void stop() {
    if (killer.joinable()) killer.join();
    round = nullptr;
    for (auto& tree : to_kill)
      if (children.count(tree.root) != 0) tree.kill();
    to_kill.clear();
    uv_signal_stop(sigchld);
    uv_close(reinterpret_cast<uv_handle_t*>(sigchld),
             [](uv_handle_t* h) { delete reinterpret_cast<uv_signal_t*>(h); });
    loop.cancel(net_timer);
    if (look_timer != 0) loop.cancel(look_timer);
    for (auto& [id, r] : commands) {
      kill_tree(r->pid);
      if (r->deadline != 0) loop.cancel(r->deadline);
      if (r->linger != 0) loop.cancel(r->linger);
    }
    for (auto& [id, r] : commands)
      if (auto i = children.find(r->pid); i != children.end()) {
        siginfo_t info{};
        ::waitid(P_PIDFD, static_cast<id_t>(i->second.pidfd.get()), &info, WEXITED);
      }
    commands.clear();
    children.clear();
    watches.clear();
  }

  bool in_round(pid_t pid) const {
    return round && std::any_of(round->begin(), round->end(), [&](auto& tree) { return tree.root == pid; });
  }

  void exited(pid_t pid) {
    auto i = children.find(pid);
    if (i == children.end()) return;
    if (in_round(pid)) {
      i->second.watch.reset(); // it would call all the time; the round's end looks again
      return;
    }
    siginfo_t info{};
    if (::waitid(P_PIDFD, static_cast<id_t>(i->second.pidfd.get()), &info, WEXITED | WNOHANG) == 0
        && info.si_pid == 0)
      return;
    auto ended = std::move(i->second);
    children.erase(i);
    if (ended.on_exit) ended.on_exit(status_of(info));
  }

  /// Reaps every zombie: at once what is ours, and what we adopted (all that podium starts has a session of
  /// its own, and an unreaped process keeps a container's process namespace from ending); after a while those
  /// of our own session, which who embeds podium may have started and wait for himself.
  void reap_adopted() {
    if (round) return; // its end looks again
    for (;;) {
      siginfo_t info{};
      if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) {
        young_zombie = 0;
        return;
      }
      pid_t pid = info.si_pid;
      if (children.count(pid) != 0) {
        exited(pid);
        continue;
      }
      if (pid == young_zombie || facts_of(pid).session != ::getsid(0)) {
        ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG);
        if (pid == young_zombie) young_zombie = 0;
        continue;
      }
      if (look_timer != 0) return; // one look is under way
      young_zombie = pid;
      look_timer = loop.after(adopted_grace, [this] {
        look_timer = 0;
        reap_adopted();
      });
      return;
    }
  }

  void unwatched_end(uint64_t id) {
    auto i = watches.find(id);
    if (i == watches.end()) return;
    auto ended = std::move(i->second);
    watches.erase(i);
    siginfo_t info{};
    if (!round && ended.pidfd
        && children.count(ended.pid) == 0) // a zombie that we adopted; ECHILD for a stranger
      ::waitid(P_PIDFD, static_cast<id_t>(ended.pidfd.get()), &info, WEXITED | WNOHANG);
    if (ended.ended) ended.ended();
  }

  void collect(uint64_t id, std::unique_ptr<fd_stream>& stream, unique_fd fd, std::string& into);
  void finish_if_done(uint64_t id);
  void time_is_up(uint64_t id);
  void kill_soon(pid_t root, std::function<std::vector<pid_t>()> suspects);
  void begin_round();
  void end_round();
};

launcher::launcher(event_loop& loop) : impl_(std::make_shared<impl>(loop)) {
  loop.run([this] { impl_->start(); });
}

launcher::~launcher() {
  impl_->loop.run([this] { impl_->stop(); });
}

caf::expected<pid_t> launcher::spawn(const spawn_request& request, std::function<void(exit_status)> on_exit) {
  auto started = spawn_process(request);
  if (!started) return std::move(started.error());
  pid_t pid = started->pid;
  auto& child = impl_->children[pid];
  child.pidfd = std::move(started->pidfd);
  child.on_exit = std::move(on_exit);
  child.watch =
      std::make_unique<fd_watch>(impl_->loop, child.pidfd.get(), [p = impl_.get(), pid] { p->exited(pid); });
  return pid;
}

uint64_t launcher::watch_pid(pid_t pid, uint64_t start_ticks, std::function<void()> ended) {
  uint64_t id = ++impl_->next_id;
  auto& w = impl_->watches[id];
  w.pid = pid;
  w.ended = std::move(ended);
  auto fd = open_pidfd(pid);
  // The facts are read after the pidfd is open: from here on the number cannot change its meaning.
  bool same = fd && (start_ticks == 0 || facts_of(pid).start_ticks == start_ticks);
  if (!same) {
    impl_->loop.after(0ns, [weak = std::weak_ptr<impl>{impl_}, id] {
      if (auto p = weak.lock()) p->unwatched_end(id);
    });
    return id;
  }
  w.pidfd = std::move(*fd);
  w.watch =
      std::make_unique<fd_watch>(impl_->loop, w.pidfd.get(), [p = impl_.get(), id] { p->unwatched_end(id); });
  return id;
}

void launcher::unwatch(uint64_t id) {
  impl_->watches.erase(id);
}

uint64_t launcher::run(command what, std::function<void(caf::expected<command_result>)> done) {
  uint64_t id = ++impl_->next_id;
  auto fail = [&](caf::error why) {
    impl_->loop.after(0ns, [done = std::move(done), why = std::move(why)] { done(why); });
    return id;
  };
  auto out = make_pipe();
  auto err = make_pipe();
  if (!out || !err) return fail(out ? err.error() : out.error());
  std::pair<unique_fd, unique_fd> in;
  if (!what.input.empty()) {
    auto p = make_pipe();
    if (!p) return fail(p.error());
    in = std::move(*p);
  }
  auto r = std::make_shared<impl::running>();
  r->what = std::move(what);
  r->what.process.stdin_fd = in.first.get();
  r->what.process.stdout_fd = out->second.get();
  r->what.process.stderr_fd = err->second.get();
  auto pid = spawn(r->what.process, [p = impl_.get(), id](exit_status status) {
    auto i = p->commands.find(id);
    if (i == p->commands.end()) return;
    i->second->exited = true;
    i->second->result.status = status;
    p->finish_if_done(id);
  });
  if (!pid) return fail(pid.error());
  r->pid = *pid;
  r->done = std::move(done);
  impl_->commands[id] = r;
  impl_->collect(id, r->out, std::move(out->first), r->result.out);
  impl_->collect(id, r->err, std::move(err->first), r->result.err);
  if (in.second) {
    r->in = std::make_unique<fd_stream>(impl_->loop, std::move(in.second));
    r->in->write(std::move(r->what.input));
    r->in->finish_writing();
  }
  if (r->what.timeout > 0ns)
    r->deadline = impl_->loop.after(r->what.timeout, [p = impl_.get(), id] { p->time_is_up(id); });
  return id;
}

void launcher::impl::collect(uint64_t id, std::unique_ptr<fd_stream>& stream, unique_fd fd,
                             std::string& into) {
  auto& r = *commands[id];
  ++r.open_streams;
  stream = std::make_unique<fd_stream>(loop, std::move(fd));
  stream->read(
      [&r, &into](std::string_view bytes) {
        size_t room = r.what.output_limit_bytes - std::min(r.what.output_limit_bytes, into.size());
        into.append(bytes.substr(0, room));
        r.result.truncated |= room < bytes.size();
      },
      [this, id] {
        auto i = commands.find(id);
        if (i == commands.end()) return;
        --i->second->open_streams;
        finish_if_done(id);
      });
}

void launcher::impl::finish_if_done(uint64_t id) {
  auto i = commands.find(id);
  if (i == commands.end() || !i->second->exited) return;
  auto r = i->second;
  if (r->open_streams > 0) {
    if (r->linger != 0) return;
    r->linger = loop.after(r->what.linger, [this, id] {
      auto k = commands.find(id);
      if (k == commands.end()) return;
      k->second->linger = 0;
      k->second->open_streams = 0;
      finish_if_done(id);
    });
    return;
  }
  commands.erase(i);
  if (r->deadline != 0) loop.cancel(r->deadline);
  if (r->linger != 0) loop.cancel(r->linger);
  r->done(std::move(r->result));
}

void launcher::impl::time_is_up(uint64_t id) {
  auto i = commands.find(id);
  if (i == commands.end()) return;
  auto& r = *i->second;
  r.deadline = 0;
  r.result.timed_out = true;
  if (!r.exited) kill_soon(r.pid, r.what.suspects);
}

void launcher::impl::kill_soon(pid_t root, std::function<std::vector<pid_t>()> suspects) {
  to_kill.push_back({root, std::move(suspects)});
  if (!round) begin_round();
}

void launcher::impl::begin_round() {
  // One that was reaped meanwhile has no tree any more, and its number may be somebody else's.
  std::erase_if(to_kill, [&](auto& tree) { return children.count(tree.root) == 0; });
  if (to_kill.empty()) return;
  round = std::make_shared<const std::vector<doomed>>(std::exchange(to_kill, {}));
  try {
    // The thread has the trees but owns nothing: what `suspects` holds is let go of on the loop.
    killer = std::thread{[trees = round.get(), l = &loop, weak = weak_from_this()] {
      for (auto& tree : *trees)
        tree.kill();
      l->post([weak] {
        if (auto self = weak.lock()) self->end_round();
      });
    }};
  } catch (const std::system_error&) { // no thread to be had
    for (auto& tree : *round)
      tree.kill();
    loop.post([weak = weak_from_this()] {
      if (auto self = weak.lock()) self->end_round();
    });
  }
}

void launcher::impl::end_round() {
  if (!round) return;
  if (killer.joinable()) killer.join();
  auto over = std::exchange(round, nullptr);
  // Those that ended meanwhile. What is called back may end what others are told of.
  for (auto& tree : *over)
    exited(tree.root);
  reap_adopted();
  if (!round) begin_round();
}

int64_t launcher::written_bytes(uint64_t id) const {
  auto found = impl_->commands.find(id);
  if (found == impl_->commands.end() || found->second->exited) return 0;
  std::ifstream file{"/proc/" + std::to_string(found->second->pid) + "/io"};
  std::string name;
  for (int64_t bytes = 0; file >> name >> bytes;)
    if (name == "wchar:") return bytes;
  return 0;
}

void launcher::cancel(uint64_t id) {
  auto i = impl_->commands.find(id);
  if (i != impl_->commands.end() && !i->second->exited) kill(i->second->pid, i->second->what.suspects);
}

void launcher::kill(pid_t child, std::function<std::vector<pid_t>()> suspects) {
  if (impl_->children.count(child) != 0) impl_->kill_soon(child, std::move(suspects));
}

size_t launcher::children() const {
  return impl_->children.size();
}

event_loop& launcher::loop() {
  return impl_->loop;
}

} // namespace podium
