// Loads the API with GETs of one path over kept connections and prints what it saw as one JSON line.
//   api_get_bench HOST PORT CA CERT KEY PATH CONNECTIONS SECONDS
// One thread a connection, one request in flight each: the number that counts is requests per second of the
// server's own CPU time, which the caller takes from /proc.
#include <algorithm>
#include <arpa/inet.h>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using clock_type = std::chrono::steady_clock;

struct target {
  std::string host, path;
  uint16_t port = 0;
};

struct ssl_free {
  void operator()(SSL* s) const { SSL_free(s); }
  void operator()(SSL_CTX* c) const { SSL_CTX_free(c); }
};

struct counts {
  std::vector<uint32_t> micros;
  uint64_t errors = 0, bytes = 0;
};

int connect_to(const target& to) {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(to.port);
  int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::inet_pton(AF_INET, to.host.c_str(), &address.sin_addr) != 1
      || ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd);
    return -1;
  }
  return fd;
}

/// Reads one response with a Content-Length; false when it is not a 200 or the connection ends.
bool read_response(SSL* ssl, std::string& buffer, uint64_t& bytes) {
  size_t head_end = std::string::npos, length = 0;
  char chunk[16384];
  for (;;) {
    if (head_end == std::string::npos && (head_end = buffer.find("\r\n\r\n")) != std::string::npos) {
      auto at = buffer.find("Content-Length: ");
      if (!buffer.starts_with("HTTP/1.1 200") || at == std::string::npos || at > head_end) return false;
      length = std::strtoull(buffer.c_str() + at + 16, nullptr, 10);
    }
    if (head_end != std::string::npos && buffer.size() >= head_end + 4 + length) {
      bytes += head_end + 4 + length;
      buffer.erase(0, head_end + 4 + length);
      return true;
    }
    int n = SSL_read(ssl, chunk, sizeof chunk);
    if (n <= 0) return false;
    buffer.append(chunk, static_cast<size_t>(n));
  }
}

void run_connection(SSL_CTX* context, const target& to, const std::atomic<bool>& stop, counts& seen) {
  int fd = connect_to(to);
  std::unique_ptr<SSL, ssl_free> ssl{SSL_new(context)};
  SSL_set_fd(ssl.get(), fd);
  if (fd < 0 || SSL_connect(ssl.get()) != 1) {
    ++seen.errors;
    if (fd >= 0) ::close(fd);
    return;
  }
  std::string request =
      "GET " + to.path + " HTTP/1.1\r\nHost: " + to.host + "\r\nAccept: application/json\r\n\r\n";
  std::string buffer;
  while (!stop) {
    auto began = clock_type::now();
    if (SSL_write(ssl.get(), request.data(), static_cast<int>(request.size())) <= 0
        || !read_response(ssl.get(), buffer, seen.bytes)) {
      ++seen.errors;
      break;
    }
    auto took = std::chrono::duration_cast<std::chrono::microseconds>(clock_type::now() - began);
    seen.micros.push_back(static_cast<uint32_t>(took.count()));
  }
  ::close(fd);
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 9) {
    std::fprintf(stderr, "usage: api_get_bench HOST PORT CA CERT KEY PATH CONNECTIONS SECONDS\n");
    return 2;
  }
  target to{argv[1], argv[6], static_cast<uint16_t>(std::atoi(argv[2]))};
  auto connections = static_cast<size_t>(std::max(1, std::atoi(argv[7])));
  std::unique_ptr<SSL_CTX, ssl_free> context{SSL_CTX_new(TLS_client_method())};
  if (SSL_CTX_load_verify_locations(context.get(), argv[3], nullptr) != 1
      || SSL_CTX_use_certificate_chain_file(context.get(), argv[4]) != 1
      || SSL_CTX_use_PrivateKey_file(context.get(), argv[5], SSL_FILETYPE_PEM) != 1) {
    std::fprintf(stderr, "api_get_bench: cannot load the certificates\n");
    return 1;
  }
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  std::atomic<bool> stop{false};
  std::vector<counts> seen(connections);
  auto began = clock_type::now();
  {
    std::vector<std::jthread> threads;
    for (auto& each : seen)
      threads.emplace_back([&] { run_connection(context.get(), to, stop, each); });
    std::this_thread::sleep_for(std::chrono::duration<double>(std::atof(argv[8])));
    stop = true;
  }
  double seconds = std::chrono::duration<double>(clock_type::now() - began).count();
  std::vector<uint32_t> all;
  uint64_t errors = 0, bytes = 0;
  for (auto& each : seen) {
    all.insert(all.end(), each.micros.begin(), each.micros.end());
    errors += each.errors;
    bytes += each.bytes;
  }
  std::sort(all.begin(), all.end());
  auto at = [&](double part) {
    return all.empty()
               ? 0u
               : all[std::min(all.size() - 1, static_cast<size_t>(part * static_cast<double>(all.size())))];
  };
  std::printf("{\"requests\": %zu, \"seconds\": %.3f, \"errors\": %llu, \"bytes\": %llu, \"p50_us\": %u, "
              "\"p99_us\": %u}\n",
              all.size(), seconds, static_cast<unsigned long long>(errors),
              static_cast<unsigned long long>(bytes), at(0.5), at(0.99));
  return all.empty() ? 1 : 0;
}
