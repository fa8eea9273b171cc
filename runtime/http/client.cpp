#include "runtime/http/client.hpp"

#include "core/error.hpp"
#include "runtime/http/client_transfer.hpp"

#include <curl/curl.h>
#include <mutex>
#include <unistd.h>
#include <unordered_map>
#include <unordered_set>
#include <uv.h>

namespace podium {

using detail::transfer;

namespace {
constexpr size_t max_idle_handles = 32;
}

struct http_client::impl : std::enable_shared_from_this<impl> {
  struct watched_socket {
    uv_poll_t poll{};
    impl* owner = nullptr;
    curl_socket_t fd = -1;
  };

  event_loop& loop;
  CURLM* multi = nullptr;
  uv_timer_t timer{};
  std::unordered_map<uint64_t, std::unique_ptr<transfer>> transfers;
  detail::socket_owners open_sockets;
  std::unordered_set<watched_socket*> sockets;
  std::vector<CURL*> idle;
  uint64_t next_id = 0;
  bool open = false, in_curl = false;
  std::shared_ptr<impl> keep_alive; ///< until the timer is closed

  explicit impl(event_loop& l) : loop(l) {}

  void start(long max_connections) {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
    keep_alive = shared_from_this();
    uv_timer_init(loop.raw(), &timer);
    timer.data = this;
    multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &impl::socket_changed);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &impl::timer_changed);
    curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, max_connections);
    open = true;
  }

  void close() {
    if (!std::exchange(open, false)) return;
    for (auto& [id, t] : transfers) {
      curl_multi_remove_handle(multi, t->easy);
      curl_easy_cleanup(t->easy);
    }
    transfers.clear();
    for (auto* easy : idle)
      curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
    for (auto* s : std::exchange(sockets, {}))
      forget(s);
    uv_close(reinterpret_cast<uv_handle_t*>(&timer),
             [](uv_handle_t* h) { auto keep = std::move(static_cast<impl*>(h->data)->keep_alive); });
  }

  static void forget(watched_socket* s) {
    uv_poll_stop(&s->poll);
    uv_close(reinterpret_cast<uv_handle_t*>(&s->poll),
             [](uv_handle_t* h) { delete static_cast<watched_socket*>(h->data); });
  }

  static int socket_changed(CURL*, curl_socket_t fd, int what, void* user, void* socket) {
    auto* self = static_cast<impl*>(user);
    auto* s = static_cast<watched_socket*>(socket);
    if (what == CURL_POLL_REMOVE) {
      // curl may close the descriptor as soon as this returns.
      if (s && self->sockets.erase(s)) forget(s);
      curl_multi_assign(self->multi, fd, nullptr);
      return 0;
    }
    if (!s) {
      s = new watched_socket{.poll = {}, .owner = self, .fd = fd};
      s->poll.data = s;
      if (uv_poll_init_socket(self->loop.raw(), &s->poll, fd) != 0) {
        delete s;
        return -1;
      }
      s->poll.data = s;
      self->sockets.insert(s);
      curl_multi_assign(self->multi, fd, s);
    }
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    uv_poll_start(&s->poll, events, [](uv_poll_t* h, int status, int happened) {
      auto* w = static_cast<watched_socket*>(h->data);
      int flags = status < 0 ? CURL_CSELECT_ERR
                             : (happened & UV_READABLE ? CURL_CSELECT_IN : 0)
                                   | (happened & UV_WRITABLE ? CURL_CSELECT_OUT : 0);
      w->owner->act(w->fd, flags);
    });
    return 0;
  }

  static int timer_changed(CURLM*, long timeout_ms, void* user) {
    auto* self = static_cast<impl*>(user);
    if (timeout_ms < 0) {
      uv_timer_stop(&self->timer);
      return 0;
    }
    uv_update_time(self->loop.raw());
    uv_timer_start(
        &self->timer, [](uv_timer_t* h) { static_cast<impl*>(h->data)->act(CURL_SOCKET_TIMEOUT, 0); },
        static_cast<uint64_t>(timeout_ms), 0);
    return 0;
  }

  // What the peer of an HTTP/2 request has said is known until its socket is closed.
  static int close_socket(void* user, curl_socket_t fd) {
    auto* self = static_cast<impl*>(user);
    self->look_at(fd);
    self->open_sockets.erase(fd);
    return ::close(fd);
  }

  void look_at(curl_socket_t fd) {
    auto owner = open_sockets.find(fd);
    auto t = owner == open_sockets.end() ? transfers.end() : transfers.find(owner->second);
    if (t != transfers.end()) t->second->look_at(fd);
  }

  void act(curl_socket_t fd, int flags) {
    auto keep = shared_from_this();
    int running = 0;
    in_curl = true;
    curl_multi_socket_action(multi, fd, flags, &running);
    in_curl = false;
    int left = 0;
    while (open) {
      auto* message = curl_multi_info_read(multi, &left);
      if (!message) break;
      if (message->msg != CURLMSG_DONE) continue;
      char* user = nullptr;
      auto code = message->data.result; // the message dies with the handle's removal
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &user);
      finish(reinterpret_cast<transfer*>(user)->id, code);
    }
  }

  void finish(uint64_t id, CURLcode code) {
    auto node = transfers.extract(id);
    auto& t = *node.mapped();
    curl_multi_remove_handle(multi, t.easy);
    for (auto& [fd, owner] : open_sockets)
      if (owner == id) t.look_at(fd);
    auto result = t.result(code);
    if (idle.size() < max_idle_handles) {
      curl_easy_reset(t.easy);
      idle.push_back(t.easy);
    } else {
      curl_easy_cleanup(t.easy);
    }
    if (t.done) t.done(std::move(result));
  }

  void begin(uint64_t id, http_fetch fetch, callback done) {
    if (!open) return;
    auto t = std::make_unique<transfer>();
    t->id = id;
    t->fetch = std::move(fetch);
    t->done = std::move(done);
    if (idle.empty()) {
      t->easy = curl_easy_init();
    } else {
      t->easy = idle.back();
      idle.pop_back();
    }
    t->sockets = &open_sockets;
    t->configure();
    auto* easy = t->easy;
    if (t->fetch.http2) {
      curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, &impl::close_socket);
      curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, static_cast<void*>(this));
    }
    transfers.emplace(id, std::move(t));
    curl_multi_add_handle(multi, easy); // arms the timer; nothing else happens in here
  }

  void cancel(uint64_t id) {
    auto i = transfers.find(id);
    if (i == transfers.end()) return;
    i->second->cancelled = true;
    // Not from inside a callback of curl, nor before our caller is done.
    loop.post([weak = weak_from_this(), id] {
      auto self = weak.lock();
      if (self && self->open && self->transfers.count(id)) self->finish(id, CURLE_OK);
    });
  }
};

http_client::http_client(event_loop& loop, long max_connections)
    : loop_(loop), impl_(std::make_shared<impl>(loop)) {
  loop_.run([&] {
    impl_->start(max_connections);
    loop_.at_stop([weak = std::weak_ptr{impl_}] {
      if (auto self = weak.lock()) self->close();
    });
  });
}

http_client::~http_client() {
  loop_.run([this] { impl_->close(); });
}

uint64_t http_client::send(http_fetch fetch, callback done) {
  auto id = ++impl_->next_id;
  if (impl_->in_curl)
    loop_.post([weak = std::weak_ptr{impl_}, id, f = std::move(fetch), d = std::move(done)]() mutable {
      if (auto self = weak.lock()) self->begin(id, std::move(f), std::move(d));
    });
  else
    impl_->begin(id, std::move(fetch), std::move(done));
  return id;
}

void http_client::cancel(uint64_t id) {
  impl_->cancel(id);
}

size_t http_client::in_flight() const {
  return impl_->transfers.size();
}

} // namespace podium
