#include "runtime/probe/network_prober.hpp"
#include "core/error.hpp"
#include "runtime/probe/grpc_health.hpp"
#include "runtime/probe/tcp_dialer.hpp"
#include <algorithm>
#include <charconv>
#include <cstring>
#include <set>
#include <sys/socket.h>
#include <uv.h>

namespace podium {

namespace {

constexpr size_t max_body_bytes = 10 * 1'024;
constexpr unsigned max_redirects = 10;
constexpr auto no_headers_in_time =
    "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";

std::string lower(std::string text) {
  for (auto& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return text;
}

probe_outcome failure(std::string text) {
  return {.verdict = probe_verdict::failure, .output = std::move(text)};
}

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// What nobody may send in a request line, and a '%' that begins no escape.
std::string escaped(std::string_view path) {
  constexpr std::string_view forbidden = "\"<>\\^`{|}", digits = "0123456789ABCDEF";
  std::string result;
  for (size_t i = 0; i < path.size(); ++i) {
    auto c = path[i];
    auto byte = static_cast<unsigned char>(c);
    auto lone = c == '%' && !(i + 2 < path.size() && is_hex(path[i + 1]) && is_hex(path[i + 2]));
    if (byte > 0x20 && byte < 0x7f && !lone && forbidden.find(c) == forbidden.npos)
      result += c;
    else
      result.append({'%', digits[byte >> 4], digits[byte & 15]});
  }
  return result;
}

// The answers that Go's HTTP client takes for redirects.
bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// The part between scheme and path.
std::string_view authority(std::string_view url) {
  auto start = url.find("://");
  if (start == url.npos) return {};
  auto rest = url.substr(start + 3);
  rest = rest.substr(0, rest.find_first_of("/?#"));
  auto at = rest.rfind('@');
  return at == rest.npos ? rest : rest.substr(at + 1);
}

std::string dial_address(std::string_view url) {
  std::string result{authority(url)};
  auto colon = result.rfind(':');
  bool has_port = colon != result.npos && result.find(']', colon) == result.npos;
  return has_port ? result : result + (url.starts_with("https") ? ":443" : ":80");
}

// 0 when it is none.
int port_of(std::string_view url) {
  auto text = dial_address(url);
  auto* begin = text.data() + text.rfind(':') + 1;
  auto* end = text.data() + text.size();
  int port = 0;
  auto [last, ec] = std::from_chars(begin, end, port);
  return ec == std::errc{} && last == end && port > 0 && port <= 65'535 ? port : 0;
}

// Why a request failed, as Go's HTTP client would put it.
std::string fetch_error(const std::string& url, const caf::error& err) {
  auto head = "Get \"" + url + "\": ";
  if (code_of(err) == errc::timeout) return head + no_headers_in_time;
  auto text = message_of(err);
  if (auto at = text.find("Could not resolve host: "); at != text.npos)
    return head + "dial tcp: lookup " + text.substr(at + std::strlen("Could not resolve host: "))
           + ": no such host";
  auto connecting = text.find("Failed to connect") != text.npos || text.find("Couldn't connect") != text.npos;
  if (!connecting)
    return head + text.substr(text.find(url) == text.npos ? 0 : text.find(url) + url.size() + 2);
  for (int errnum : {ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT})
    if (text.find(std::strerror(errnum)) != text.npos)
      return head + "dial tcp " + dial_address(url) + ": connect: " + dial_reason(errnum);
  return head + "dial tcp " + dial_address(url) + ": " + text;
}

std::string broken_body(const caf::error& err) {
  if (code_of(err) != errc::timeout) return message_of(err);
  return "context deadline exceeded (Client.Timeout or context cancellation while reading body)";
}

} // namespace

std::string probe_url(const http_get_action& action, const std::string& pod_ip) {
  auto scheme = action.scheme.empty() ? std::string{"http"} : lower(action.scheme);
  auto host = with_brackets(action.host.empty() ? pod_ip : action.host);
  auto path = action.path.starts_with('/') ? action.path : "/" + action.path;
  return scheme + "://" + host + ":" + std::to_string(action.port.number) + escaped(path);
}

header_list probe_headers(const http_get_action& action) {
  header_list result;
  bool agent = false, accept = false;
  for (auto& h : action.http_headers) {
    auto name = lower(h.name);
    agent = agent || name == "user-agent";
    accept = accept || name == "accept";
    if (h.value.empty() && (name == "user-agent" || name == "accept")) continue;
    result.emplace_back(h.name, h.value);
  }
  if (!agent) result.emplace_back("User-Agent", probe_user_agent);
  if (!accept) result.emplace_back("Accept", "*/*");
  return result;
}

std::string url_host(std::string_view url) {
  auto part = authority(url);
  if (part.starts_with('[')) return lower(std::string{part.substr(1, part.find(']') - 1)});
  return lower(std::string{part.substr(0, part.rfind(':'))});
}

struct network_prober::impl : std::enable_shared_from_this<impl> {
  impl(event_loop& l, http_client& c) : loop(l), client(c), dialer(l) {}

  event_loop& loop;
  http_client& client;
  tcp_dialer dialer;
  std::set<uint64_t> fetches, waits;
  bool closed = false;

  /// Connects to an address here, which is cheaper than in curl; names may have several, which curl tries.
  void fetch(const std::string& url, const header_list& headers, std::chrono::nanoseconds left,
             unsigned followed, answer done) {
    auto host = url_host(url);
    auto port = port_of(url);
    if (port == 0 || !is_address(host)) return ask(url, headers, left, followed, {}, std::move(done));
    auto began = uv_hrtime();
    dialer.dial(host, port, left, [=, this, done = std::move(done)](tcp_dialer::result dialed) {
      if (dialed.timed_out) return done(failure("Get \"" + url + "\": " + no_headers_in_time));
      if (!dialed.socket) return done(failure("Get \"" + url + "\": " + dialed.error));
      auto spent = std::chrono::nanoseconds{uv_hrtime() - began};
      ask(url, headers, left - spent, followed, std::make_shared<unique_fd>(std::move(dialed.socket)), done);
    });
  }

  void ask(const std::string& url, const header_list& headers, std::chrono::nanoseconds left,
           unsigned followed, std::shared_ptr<unique_fd> connected, answer done) {
    http_fetch request;
    request.connected = std::move(connected);
    request.url = url;
    request.headers = headers;
    request.timeout =
        std::max(std::chrono::ceil<std::chrono::milliseconds>(left), std::chrono::milliseconds{1});
    request.max_body_bytes = max_body_bytes;
    request.cut_body = true;
    request.keep_broken_body = true;
    request.verify = false;
    request.fresh = true;
    auto began = uv_hrtime();
    auto id = std::make_shared<uint64_t>(0);
    *id = client.send(std::move(request),
                      [=, done = std::move(done), weak = weak_from_this()](caf::expected<http_reply> reply) {
                        auto self = weak.lock();
                        if (!self || self->closed) return;
                        self->fetches.erase(*id);
                        if (!reply) return done(failure(fetch_error(url, reply.error())));
                        auto spent = std::chrono::nanoseconds{uv_hrtime() - began};
                        self->judge(url, headers, left - spent, followed, std::move(*reply), done);
                      });
    fetches.insert(*id);
  }

  void judge(const std::string& url, const header_list& headers, std::chrono::nanoseconds left,
             unsigned followed, http_reply reply, const answer& done) {
    auto answered = [&done](probe_outcome outcome) {
      outcome.answered = true;
      done(std::move(outcome));
    };
    if (!reply.redirect_url.empty() && is_redirect(reply.status)
        && url_host(reply.redirect_url) == url_host(url)) {
      if (followed == max_redirects)
        return done(failure("Get \"" + reply.redirect_url + "\": stopped after 10 redirects"));
      return fetch(reply.redirect_url, headers, left, followed + 1, done);
    }
    if (reply.broken) return answered({.verdict = probe_verdict::error, .output = broken_body(reply.broken)});
    if (reply.status >= 300 && reply.status < 400)
      return answered({.verdict = probe_verdict::warning,
                       .output = "Probe terminated redirects, Response body: " + reply.body});
    if (reply.status >= 200 && reply.status < 300)
      return answered({.verdict = probe_verdict::success, .output = std::move(reply.body)});
    answered(failure("HTTP probe failed with statuscode: " + std::to_string(reply.status)));
  }

  struct health_question {
    std::string address, service;
    std::chrono::nanoseconds timeout;
    uint64_t began;
    answer done;
  };

  void ask_health(health_question q, unsigned attempt) {
    auto began = uv_hrtime();
    auto left = q.timeout - std::chrono::nanoseconds{began - q.began};
    auto id = std::make_shared<uint64_t>(0);
    auto request = grpc_health_request(q.address, q.service, left);
    *id = client.send(std::move(request), [=, q = std::move(q),
                                           weak = weak_from_this()](caf::expected<http_reply> reply) mutable {
      auto self = weak.lock();
      if (!self || self->closed) return;
      self->fetches.erase(*id);
      if (reply) return q.done(judge_grpc_health(*reply, q.timeout));
      if (code_of(reply.error()) == errc::unavailable)
        return self->ask_health_again(std::move(q), attempt, began, reply.error());
      q.done(judge_grpc_error(reply.error(), q.address, q.timeout));
    });
    fetches.insert(*id);
  }

  // There was no gRPC server: it may come up within the time-out, at whose end the probe has failed.
  void ask_health_again(health_question q, unsigned attempt, uint64_t began, const caf::error& err) {
    auto now = uv_hrtime();
    auto end = q.began + static_cast<uint64_t>(q.timeout.count());
    auto again = began + static_cast<uint64_t>(grpc_connect_back_off(attempt).count());
    auto last = again >= end;
    auto when = last ? end : std::max(again, now);
    if (when <= now) return q.done(judge_grpc_error(err, q.address, q.timeout));
    auto id = std::make_shared<uint64_t>(0);
    *id = loop.after(std::chrono::nanoseconds{when - now}, [=, this, q = std::move(q)]() mutable {
      waits.erase(*id);
      if (last) return q.done(judge_grpc_error(err, q.address, q.timeout));
      ask_health(std::move(q), attempt + 1);
    });
    waits.insert(*id);
  }
};

network_prober::network_prober(event_loop& loop, http_client& client)
    : impl_(std::make_shared<impl>(loop, client)) {}

network_prober::~network_prober() {
  impl_->loop.run([self = impl_] {
    self->closed = true;
    self->dialer.stop();
    for (auto id : self->fetches)
      self->client.cancel(id);
    for (auto id : self->waits)
      self->loop.cancel(id);
  });
}

void network_prober::http_get(const http_get_action& action, const std::string& pod_ip,
                              std::chrono::nanoseconds timeout, answer done) {
  impl_->fetch(probe_url(action, pod_ip), probe_headers(action), timeout, 0, std::move(done));
}

void network_prober::grpc(const grpc_action& action, const std::string& pod_ip,
                          std::chrono::nanoseconds timeout, answer done) {
  auto address = with_brackets(pod_ip) + ":" + std::to_string(action.port);
  impl_->ask_health({std::move(address), action.service, timeout, uv_hrtime(), std::move(done)}, 0);
}

void network_prober::tcp_socket(const tcp_socket_action& action, const std::string& pod_ip,
                                std::chrono::nanoseconds timeout, answer done) {
  impl_->dialer.dial(action.host.empty() ? pod_ip : action.host, action.port.number, timeout,
                     [done = std::move(done)](tcp_dialer::result dialed) {
                       if (!dialed.socket) return done(failure(std::move(dialed.error)));
                       // A reset leaves no socket behind in TIME_WAIT.
                       linger reset{1, 0};
                       ::setsockopt(dialed.socket.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
                       dialed.socket.reset();
                       done({.verdict = probe_verdict::success, .output = {}});
                     });
}

} // namespace podium
