#include "runtime/http/client_transfer.hpp"

#include "core/error.hpp"

#include <cstring>
#include <sys/socket.h>
#include <unistd.h>

namespace podium::detail {
namespace {

// The least an HTTP/2 peer says: the head of its first frame.
constexpr uint64_t frame_head_bytes = 9;

void append(slist_ptr& list, const std::string& line) {
  list.reset(curl_slist_append(list.release(), line.c_str()));
}

curl_blob view_blob(const std::string& text) {
  return {const_cast<char*>(text.data()), text.size(), CURL_BLOB_NOCOPY};
}

curl_socket_t open_socket(void* user, curlsocktype, struct curl_sockaddr* address) {
  auto* self = static_cast<transfer*>(user);
  auto fd = ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  if (fd < 0) return CURL_SOCKET_BAD;
  (*self->sockets)[fd] = self->id;
  return fd;
}

} // namespace

size_t transfer::take_header(std::string_view line) {
  if ((header_bytes_ += line.size()) > fetch.max_header_bytes) {
    too_large_ = true;
    return 0;
  }
  if (line.starts_with("HTTP/")) { // a new answer: after a redirect, or behind a 100
    reply.headers = {};
    in_body_ = false;
    return line.size();
  }
  if (line == "\r\n" || line == "\n") in_body_ = true;
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

size_t transfer::take_body(std::string_view bytes) {
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
  (fetch.cut_body ? reply.cut : too_large_) = true;
  return 0;
}

void transfer::look_at(curl_socket_t socket) {
  if (received_bytes(socket) >= frame_head_bytes) peer_has_spoken_ = true;
}

void transfer::configure() {
  set(CURLOPT_PRIVATE, static_cast<void*>(this));
  set(CURLOPT_ERRORBUFFER, error_);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_URL, fetch.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(fetch.timeout.count()));
  set(CURLOPT_FOLLOWLOCATION, fetch.redirects > 0 ? 1L : 0L);
  set(CURLOPT_MAXREDIRS, static_cast<long>(fetch.redirects));
  set(CURLOPT_BUFFERSIZE, 16L * 1024);
  configure_connection();
  configure_tls();
  configure_message();
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

void transfer::configure_connection() {
  set(CURLOPT_PROXY, "");
  set(CURLOPT_HTTP_VERSION,
      static_cast<long>(fetch.http2 ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE : CURL_HTTP_VERSION_1_1));
  if (fetch.http2) {
    set(CURLOPT_OPENSOCKETFUNCTION, &open_socket);
    set(CURLOPT_OPENSOCKETDATA, static_cast<void*>(this));
  }
  if (fetch.connected) {
    set(
        CURLOPT_OPENSOCKETFUNCTION, +[](void* user, curlsocktype, struct curl_sockaddr*) -> curl_socket_t {
          return static_cast<unique_fd*>(user)->release(); // once: none is CURL_SOCKET_BAD
        });
    set(CURLOPT_OPENSOCKETDATA, static_cast<void*>(fetch.connected.get()));
    set(
        CURLOPT_SOCKOPTFUNCTION,
        +[](void*, curl_socket_t, curlsocktype) -> int { return CURL_SOCKOPT_ALREADY_CONNECTED; });
  }
  if (fetch.fresh) {
    set(CURLOPT_FRESH_CONNECT, 1L);
    set(CURLOPT_FORBID_REUSE, 1L);
    set(CURLOPT_SSL_SESSIONID_CACHE, 0L);
  }
  if (!fetch.unix_socket.empty()) set(CURLOPT_UNIX_SOCKET_PATH, fetch.unix_socket.c_str());
  if (!fetch.resolve_to.empty()) {
    auto is_v6 = fetch.resolve_to.find(':') != std::string::npos;
    append(connect_to_, is_v6 ? "::[" + fetch.resolve_to + "]:" : "::" + fetch.resolve_to + ':');
    set(CURLOPT_CONNECT_TO, connect_to_.get());
  }
}

void transfer::configure_tls() {
  if (!fetch.verify) {
    set(CURLOPT_SSL_VERIFYPEER, 0L);
    set(CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (!fetch.ca_pem.empty()) {
    auto blob = view_blob(fetch.ca_pem);
    curl_easy_setopt(easy, CURLOPT_CAINFO, nullptr);
    curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
    set(CURLOPT_CAINFO_BLOB, &blob);
  }
  if (!fetch.client_certificate_pem.empty()) {
    auto certificate = view_blob(fetch.client_certificate_pem), key = view_blob(fetch.client_key_pem);
    set(CURLOPT_SSLCERT_BLOB, &certificate);
    set(CURLOPT_SSLKEY_BLOB, &key);
  }
}

void transfer::configure_message() {
  auto has_body =
      !fetch.body.empty() || fetch.method == "POST" || fetch.method == "PUT" || fetch.method == "PATCH";
  auto has_type = false, has_accept = false;
  for (auto& [name, value] : fetch.headers) {
    has_type = has_type || equal_ignoring_case(name, "Content-Type");
    has_accept = has_accept || equal_ignoring_case(name, "Accept");
    append(headers_, value.empty() ? name + ';' : name + ": " + value);
  }
  if (!has_accept) append(headers_, "Accept:"); // else curl accepts */* in the caller's name
  if (fetch.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  } else if (has_body) {
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(fetch.body.size()));
    set(CURLOPT_POSTFIELDS, fetch.body.data());
    if (!has_type) append(headers_, "Content-Type:"); // else curl claims a form
  }
  if (fetch.method != "GET" && fetch.method != "HEAD") set(CURLOPT_CUSTOMREQUEST, fetch.method.c_str());
  if (fetch.method == "GET" && has_body) set(CURLOPT_CUSTOMREQUEST, "GET");
  set(CURLOPT_HTTPHEADER, headers_.get());
}

caf::expected<http_reply> transfer::result(CURLcode code) {
  auto what = fetch.method + ' ' + fetch.url + ": ";
  if (cancelled) return make_error(errc::cancelled, what + "cancelled");
  if (too_large_) return make_error(errc::too_large, what + "the answer is too large");
  if (code != CURLE_OK && !reply.cut) {
    std::string why = *error_ ? error_ : curl_easy_strerror(code);
    auto late = code == CURLE_OPERATION_TIMEDOUT;
    if (late) why = "no answer within " + std::to_string(fetch.timeout.count()) + " milliseconds";
    long os = 0;
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os);
    // These leave the number of something else.
    bool other = code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_GOT_NOTHING;
    if (os && !late && !other) why += std::string{" ("} + std::strerror(static_cast<int>(os)) + ")";
    if (fetch.http2 && !peer_has_spoken_) return make_error(errc::unavailable, what + why);
    auto err = make_error(late ? errc::timeout : errc::io, what + why);
    if (!fetch.keep_broken_body || !in_body_) return err;
    reply.broken = std::move(err);
  }
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  reply.status = static_cast<int>(status);
  char* url = nullptr;
  if (curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &url) == CURLE_OK && url) reply.redirect_url = url;
  return std::move(reply);
}

} // namespace podium::detail
