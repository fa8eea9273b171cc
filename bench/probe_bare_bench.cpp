// The least that can do the work of probes, for ./dev bench probes: one thread and a list of due times.
//   usage: probe_bare_bench http|tcp RATE SECONDS URL...    libcurl, a connection of its own each; tcp:
//   connect and reset
//          probe_bare_bench exec RATE SECONDS COMMAND...    posix_spawn and wait, one after the other
// Prints one line of JSON: how many, the cpu time of this process (exec: and of its children), how late they
// began.
#include <algorithm>
#include <arpa/inet.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <curl/curl.h>
#include <functional>
#include <spawn.h>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

extern char** environ;

namespace {

int64_t now() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

double cpu_seconds() {
  double sum = 0;
  for (int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage u{};
    ::getrusage(who, &u);
    for (auto& t : {u.ru_utime, u.ru_stime})
      sum += static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  }
  return sum;
}

bool ask_http(CURL* easy, const char* url) {
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
  curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT, 1L);
  curl_easy_setopt(
      easy, CURLOPT_WRITEFUNCTION, +[](char*, size_t size, size_t n, void*) { return size * n; });
  long status = 0;
  auto rc = curl_easy_perform(easy);
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  return rc == CURLE_OK && status == 200;
}

// `where` is "ip:port".
bool ask_tcp(const std::string& where) {
  auto colon = where.rfind(':');
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(static_cast<uint16_t>(std::atoi(where.c_str() + colon + 1)));
  ::inet_pton(AF_INET, where.substr(0, colon).c_str(), &a.sin_addr);
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  linger reset{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  bool good = ::connect(fd, reinterpret_cast<sockaddr*>(&a), sizeof a) == 0;
  ::close(fd);
  return good;
}

bool run(char** argv) {
  pid_t pid = 0;
  int status = 0;
  return ::posix_spawn(&pid, argv[0], nullptr, nullptr, argv, environ) == 0
         && ::waitpid(pid, &status, 0) == pid && status == 0;
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "usage: probe_bare_bench http|tcp|exec RATE SECONDS WHAT...\n");
    return 2;
  }
  std::string_view kind = argv[1];
  const double rate = std::atof(argv[2]), seconds = std::atof(argv[3]);
  const std::vector<std::string> targets(argv + 4, argv + argc);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  auto* easy = curl_easy_init();
  const auto count = static_cast<int64_t>(rate * seconds);
  const auto began = now();
  const auto cpu = cpu_seconds();
  std::vector<int64_t> late;
  int64_t failed = 0;
  for (int64_t i = 0; i < count; ++i) {
    auto due = began + static_cast<int64_t>(static_cast<double>(i) * 1e9 / rate);
    timespec t{due / 1'000'000'000, due % 1'000'000'000};
    ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr);
    late.push_back(now() - due);
    auto& target = targets[static_cast<size_t>(i) % targets.size()];
    bool good = kind == "http"  ? ask_http(easy, target.c_str())
                : kind == "tcp" ? ask_tcp(target)
                                : run(argv + 4);
    failed += good ? 0 : 1;
  }
  auto used = cpu_seconds() - cpu;
  auto took = static_cast<double>(now() - began) / 1e9;
  std::sort(late.begin(), late.end());
  auto part = [&](double p) {
    return late.empty()
               ? 0.
               : static_cast<double>(late[static_cast<size_t>(p * static_cast<double>(late.size() - 1))])
                     / 1e6;
  };
  std::printf("{\"count\": %lld, \"failed\": %lld, \"seconds\": %.3f, \"cpu\": %.6f, \"late_ms\": [%.3f, "
              "%.3f, %.3f]}\n",
              static_cast<long long>(count), static_cast<long long>(failed), took, used, part(0.5),
              part(0.99), part(1));
  curl_easy_cleanup(easy);
  return failed == 0 ? 0 : 1;
}
