#include "runtime/http/client.hpp"

#include "core/error.hpp"

#include <cstring>
#include <curl/curl.h>
#include <mutex>
#include <unordered_map>
#include <unordered_set>
#include <uv.h>

namespace podium {
namespace {

constexpr size_t max_header_bytes = 256 * 1024;
constexpr size_t max_idle_handles = 32;

struct slist_free {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using slist_ptr = std::unique_ptr<curl_slist, slist_free>;

void append(slist_ptr& list, const std::string& line) {
  list.reset(curl_slist_append(list.release(), line.c_str()));
}

/// One request under way.
struct transfer {
  uint64_t id = 0;
  http_fetch fetch;
  http_client::callback done;
  http_reply reply;
  size_t header_bytes = 0;
  bool too_large = false, cancelled = false;
  slist_ptr headers, connect_to;
  CURL* easy = nullptr;
  char error[CURL_ERROR_SIZE] = "";

  size_t take_header(std::string_view line) {
    if ((header_bytes += line.size()) > max_header_bytes) {
      too_large = true;
      return 0;
    }
    if (line.starts_with("HTTP/")) { // a new answer: after a redirect, or behind a 100
      reply.headers = {};
      return line.size();
    }
    auto colon = line.find(':');
    if (colon == line.npos) return line.size();
    auto value = line.substr(colon + 1);
    while (!value.empty() && (value.front() == ' ' || value.front() == '\t'))
      value.remove_prefix(1);
    while (!value.empty() && strchr("\r\n \t", value.back()))
      value.remove_suffix(1);
    reply.headers.add(line.substr(0, colon), value);
    return line.size();
  }

  size_t take_body(std::string_view bytes) {
    if (cancelled) return 0;
    if (fetch.on_data) {
      fetch.on_data(bytes);
      return cancelled ? 0 : bytes.size();
    }
    auto room = fetch.max_body_bytes - reply.body.size();
    if (bytes.size() <= room) {
      reply.body.append(bytes);
      return bytes.size();
    }
    reply.body.append(bytes.substr(0, room));
    (fetch.cut_body ? reply.cut : too_large) = true;
    return 0;
  }

  void configure();
  caf::expected<http_reply> result(CURLcode code);
};

curl_blob view_blob(const std::string& text) {
  return {const_cast<char*>(text.data()), text.size(), CURL_BLOB_NOCOPY};
}

void configure_tls(CURL* easy, const http_fetch& fetch) {
  if (!fetch.verify) {
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (!fetch.ca_pem.empty()) {
    auto blob = view_blob(fetch.ca_pem);
    curl_easy_setopt(easy, CURLOPT_CAINFO, nullptr);
    curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
    curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
  }
  if (!fetch.client_certificate_pem.empty()) {
    auto certificate = view_blob(fetch.client_certificate_pem), key = view_blob(fetch.client_key_pem);
    curl_easy_setopt(easy, CURLOPT_SSLCERT_BLOB, &certificate);
    curl_easy_setopt(easy, CURLOPT_SSLKEY_BLOB, &key);
  }
}

void transfer::configure() {
  auto set = [this](CURLoption option, auto value) { curl_easy_setopt(easy, option, value); };
  set(CURLOPT_PRIVATE, static_cast<void*>(this));
  set(CURLOPT_ERRORBUFFER, error);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_URL, fetch.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  set(CURLOPT_PROXY, "");
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(fetch.timeout.count()));
  set(CURLOPT_FOLLOWLOCATION, fetch.redirects > 0 ? 1L : 0L);
  set(CURLOPT_MAXREDIRS, static_cast<long>(fetch.redirects));
  set(CURLOPT_BUFFERSIZE, 16L * 1024);
  if (fetch.fresh) {
    set(CURLOPT_FRESH_CONNECT, 1L);
    set(CURLOPT_FORBID_REUSE, 1L);
    set(CURLOPT_SSL_SESSIONID_CACHE, 0L);
  }
  if (!fetch.unix_socket.empty()) set(CURLOPT_UNIX_SOCKET_PATH, fetch.unix_socket.c_str());
  if (!fetch.resolve_to.empty()) {
    auto is_v6 = fetch.resolve_to.find(':') != std::string::npos;
    append(connect_to, is_v6 ? "::[" + fetch.resolve_to + "]:" : "::" + fetch.resolve_to + ':');
    set(CURLOPT_CONNECT_TO, connect_to.get());
  }
  configure_tls(easy, fetch);
  auto has_body =
      !fetch.body.empty() || fetch.method == "POST" || fetch.method == "PUT" || fetch.method == "PATCH";
  auto has_type = false;
  for (auto& [name, value] : fetch.headers) {
    has_type = has_type || equal_ignoring_case(name, "Content-Type");
    append(headers, value.empty() ? name + ';' : name + ": " + value);
  }
  if (fetch.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  } else if (has_body) {
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(fetch.body.size()));
    set(CURLOPT_POSTFIELDS, fetch.body.data());
    if (!has_type) append(headers, "Content-Type:"); // else curl claims a form
  }
  if (fetch.method != "GET" && fetch.method != "HEAD") set(CURLOPT_CUSTOMREQUEST, fetch.method.c_str());
  if (fetch.method == "GET" && has_body) set(CURLOPT_CUSTOMREQUEST, "GET");
  set(CURLOPT_HTTPHEADER, headers.get());
  set(CURLOPT_HEADERDATA, static_cast<void*>(this));
  set(
      CURLOPT_HEADERFUNCTION, +[](char* data, size_t size, size_t n, void* self) {
        return static_cast<transfer*>(self)->take_header({data, size * n});
      });
  set(CURLOPT_WRITEDATA, static_cast<void*>(this));
  set(
      CURLOPT_WRITEFUNCTION, +[](char* data, size_t size, size_t n, void* self) {
        return static_cast<transfer*>(self)->take_body({data, size * n});
      });
}

caf::expected<http_reply> transfer::result(CURLcode code) {
  auto what = fetch.method + ' ' + fetch.url + ": ";
  if (cancelled) return make_error(errc::cancelled, what + "cancelled");
  if (too_large) return make_error(errc::too_large, what + "the answer is too large");
  if (code == CURLE_OPERATION_TIMEDOUT)
    return make_error(errc::timeout,
                      what + "no answer within " + std::to_string(fetch.timeout.count()) + " milliseconds");
  if (code != CURLE_OK && !reply.cut) {
    long os = 0;
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os);
    auto detail = os ? std::string{" ("} + std::strerror(static_cast<int>(os)) + ")" : std::string{};
    return make_error(errc::io, what + (*error ? error : curl_easy_strerror(code)) + detail);
  }
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  reply.status = static_cast<int>(status);
  char* url = nullptr;
  if (curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &url) == CURLE_OK && url) reply.redirect_url = url;
  return std::move(reply);
}

} // namespace

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
    t->configure();
    auto* easy = t->easy;
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
