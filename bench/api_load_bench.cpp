// A client of the API for bench/api.py; each mode prints what it saw as one JSON line.
//   api_load_bench load HOST PORT CA CERT KEY METHOD PATH TYPE BODY CONNECTIONS COUNT RATE
// COUNT requests over kept connections, one in flight on each. "{n}" in PATH and BODY becomes the request's
// number, "{n8}" the same in eight digits, "{m}" the same modulo 100, "{t}" the nanoseconds of the wall
// clock. RATE is per second; latencies count from when a request was due. RATE 0: as fast as the answers
// come.
//   api_load_bench watch HOST PORT CA CERT KEY PATH CONNECTIONS EVENTS
// Watches; prints "ready" when all streams have begun, and counts events until there were EVENTS in all, or
// until its stdin ends. Their lag is that of the time in their text behind "sent":".
#include "tls_peer.hpp"

#include <cmath>
#include <cstring>
#include <deque>

using namespace bench;

namespace {

int fail(const char* what, std::string_view more = "") {
  std::fprintf(stderr, "api_load_bench: %s %.*s\n", what, static_cast<int>(more.size()), more.data());
  return 1;
}

uint64_t wall_nanoseconds() {
  auto t = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(t).count());
}

uint32_t microseconds_since(clock_type::time_point t) {
  auto d = std::chrono::duration_cast<std::chrono::microseconds>(clock_type::now() - t).count();
  return static_cast<uint32_t>(std::max<int64_t>(d, 0));
}

std::string filled_in(std::string text, size_t number) {
  auto put = [&](std::string_view mark, const std::string& value) {
    for (size_t at = 0; (at = text.find(mark, at)) != text.npos; at += value.size())
      text.replace(at, mark.size(), value);
  };
  auto digits = std::to_string(number);
  put("{n}", digits);
  put("{n8}", std::string(8 - std::min<size_t>(8, digits.size()), '0') + digits);
  put("{m}", std::to_string(number % 100));
  put("{t}", std::to_string(wall_nanoseconds()));
  return text;
}

// --- load ---

class load {
public:
  explicit load(char** arguments)
      : arguments_(arguments), method_(arguments[5]), path_(arguments[6]), type_(arguments[7]),
        body_(arguments[8]), count_(std::strtoull(arguments[10], nullptr, 10)),
        rate_(std::atof(arguments[11])),
        peers_(std::max<size_t>(1, std::strtoull(arguments[9], nullptr, 10))) {}

  int run() {
    target to;
    if (!to.read(arguments_)) return fail("HOST is no IPv4 address, or the certificates cannot be loaded");
    int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    for (auto& p : peers_) {
      if (!to.connect(p)) return fail("cannot connect");
      watch(epoll, p.fd, &p);
      free_.push_back(&p);
    }
    began_ = clock_type::now();
    while (micros_.size() < count_) {
      if (!send_due()) return fail("cannot send");
      epoll_event events[64];
      int ready = ::epoll_wait(epoll, events, 64, milliseconds_to_next());
      for (int i = 0; i < ready; ++i)
        if (auto& p = *static_cast<peer*>(events[i].data.ptr); !take(p))
          return fail("refused, or cut off:", p.input);
    }
    double seconds = std::chrono::duration<double>(clock_type::now() - began_).count();
    ::close(epoll);
    std::printf("{\"requests\": %zu, \"seconds\": %.3f, \"bytes\": %llu, \"p50_us\": %u, \"p99_us\": %u}\n",
                micros_.size(), seconds, static_cast<unsigned long long>(bytes_), percentile(micros_, 0.5),
                percentile(micros_, 0.99));
    return 0;
  }

private:
  clock_type::time_point due(size_t number) const {
    if (rate_ <= 0) return clock_type::now();
    auto offset = std::chrono::duration<double>(static_cast<double>(number) / rate_);
    return began_ + std::chrono::duration_cast<clock_type::duration>(offset);
  }
  bool send_due() {
    while (!free_.empty() && sent_ < count_) {
      auto when = due(sent_);
      if (when > clock_type::now()) break;
      auto& p = *free_.front();
      free_.pop_front();
      p.asked = when;
      auto body = filled_in(body_, sent_);
      auto text = method_ + ' ' + filled_in(path_, sent_) + " HTTP/1.1\r\nHost: " + arguments_[0]
                  + "\r\nAccept: application/json\r\n";
      if (!body.empty())
        text += "Content-Type: " + type_ + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
      ++sent_;
      if (!p.send(text + "\r\n" + body)) return false;
    }
    return true;
  }
  int milliseconds_to_next() const {
    if (rate_ <= 0 || free_.empty() || sent_ >= count_) return 1000;
    auto left = std::chrono::duration<double, std::milli>(due(sent_) - clock_type::now()).count();
    return std::max(0, static_cast<int>(std::ceil(left)));
  }
  bool take(peer& p) {
    auto alive = p.fill();
    auto length = answer_length(p.input);
    if (!alive || length < 0) return false;
    if (length == 0) return true;
    bytes_ += static_cast<uint64_t>(length);
    p.input.erase(0, static_cast<size_t>(length));
    micros_.push_back(microseconds_since(p.asked));
    free_.push_back(&p);
    return true;
  }

  char** arguments_;
  const std::string method_, path_, type_, body_;
  const size_t count_;
  const double rate_;
  std::vector<peer> peers_;
  std::deque<peer*> free_;
  std::vector<uint32_t> micros_;
  size_t sent_ = 0;
  uint64_t bytes_ = 0;
  clock_type::time_point began_;
};

// --- watch ---

struct watch_figures {
  uint64_t events = 0, bytes = 0, ended = 0;
  std::vector<uint32_t> lags;
  clock_type::time_point first, last;

  /// Counts the whole lines at the front of `text` and takes them away.
  void count(std::string& text) {
    constexpr std::string_view mark = "\"sent\":\"";
    size_t begin = 0;
    while (auto* end =
               static_cast<const char*>(std::memchr(text.data() + begin, '\n', text.size() - begin))) {
      auto length = static_cast<size_t>(end - text.data()) - begin;
      std::string_view line{text.data() + begin, length};
      begin += length + 1;
      if (!line.ends_with('}')) continue; // the length of a chunk, or its end
      last = clock_type::now();
      if (events++ == 0) first = last;
      auto at = line.find(mark);
      if (at == line.npos) continue;
      auto sent = std::strtoull(line.data() + at + mark.size(), nullptr, 10);
      auto now = wall_nanoseconds();
      lags.push_back(static_cast<uint32_t>((now > sent ? now - sent : 0) / 1000));
    }
    bytes += begin;
    text.erase(0, begin);
  }
  int print() {
    std::printf("{\"events\": %llu, \"bytes\": %llu, \"seconds\": %.3f, \"ended\": %llu, \"p50_us\": %u, "
                "\"p99_us\": %u}\n",
                static_cast<unsigned long long>(events), static_cast<unsigned long long>(bytes),
                std::chrono::duration<double>(last - first).count(), static_cast<unsigned long long>(ended),
                percentile(lags, 0.5), percentile(lags, 0.99));
    return 0;
  }
};

int watch_all(char** arguments) {
  target to;
  if (!to.read(arguments)) return fail("HOST is no IPv4 address, or the certificates cannot be loaded");
  std::vector<peer> peers(std::max<size_t>(1, std::strtoull(arguments[6], nullptr, 10)));
  int epoll = ::epoll_create1(EPOLL_CLOEXEC), standard_input = 0;
  watch(epoll, standard_input, &standard_input);
  auto request =
      "GET " + std::string{arguments[5]} + " HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\r\n";
  for (auto& p : peers) {
    if (!to.connect(p) || !p.send(request)) return fail("cannot connect");
    watch(epoll, p.fd, &p);
  }
  watch_figures seen;
  size_t begun = 0;
  auto wanted = std::strtoull(arguments[7], nullptr, 10);
  while (seen.events < wanted) {
    epoll_event events[256];
    int count = ::epoll_wait(epoll, events, 256, -1);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.ptr == &standard_input) return seen.print(); // nothing is written there: it ended
      auto& p = *static_cast<peer*>(events[i].data.ptr);
      if (!p.fill()) {
        ++seen.ended;
        ::epoll_ctl(epoll, EPOLL_CTL_DEL, p.fd, nullptr);
      }
      if (!p.busy) {
        auto end = p.input.find("\r\n\r\n");
        if (end == p.input.npos) continue;
        if (!p.input.starts_with("HTTP/1.1 200")) return fail("a watch was refused:", p.input);
        p.input.erase(0, end + 4);
        p.busy = true;
        if (++begun == peers.size()) {
          std::printf("ready\n");
          std::fflush(stdout);
        }
      }
      seen.count(p.input);
    }
  }
  return seen.print();
}

} // namespace

int main(int argc, char** argv) {
  std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode == "load" && argc == 14) return load{argv + 2}.run();
  if (mode == "watch" && argc == 10) return watch_all(argv + 2);
  std::fprintf(
      stderr,
      "usage: api_load_bench load HOST PORT CA CERT KEY METHOD PATH TYPE BODY CONNECTIONS COUNT RATE\n"
      "       api_load_bench watch HOST PORT CA CERT KEY PATH CONNECTIONS EVENTS\n");
  return 2;
}
