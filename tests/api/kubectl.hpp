// Runs the real kubectl with a kubeconfig and a cache of its own.
#pragma once
#include "tests/api/api_world.hpp"

#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace podium::test {

/// A running kubectl: stdout and stderr come as one text.
class running_kubectl {
public:
  running_kubectl(const std::filesystem::path& home, const std::string& arguments,
                  const std::string& input = {}) {
    int out[2];
    BOOST_REQUIRE(::pipe2(out, O_CLOEXEC) == 0);
    auto in = home / "stdin";
    std::ofstream{in} << input;
    auto command = "exec kubectl " + arguments + " <" + in.string() + " 2>&1";
    auto config = "KUBECONFIG=" + (home / "config").string();
    auto cache = "KUBECACHEDIR=" + (home / "cache").string();
    auto own_home = "HOME=" + home.string();
    auto editor = "KUBE_EDITOR=" + (home / "editor").string();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(out[1], 1);
      const char* argv[] = {"/bin/sh", "-c", command.c_str(), nullptr};
      const char* envp[] = {config.c_str(),
                            cache.c_str(),
                            own_home.c_str(),
                            editor.c_str(),
                            "PATH=/usr/local/bin:/usr/bin:/bin",
                            nullptr};
      ::execve(argv[0], const_cast<char**>(argv), const_cast<char**>(envp));
      ::_exit(127);
    }
    ::close(out[1]);
    fd_ = out[0];
  }
  ~running_kubectl() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      wait();
    }
    ::close(fd_);
  }
  running_kubectl(const running_kubectl&) = delete;
  running_kubectl& operator=(const running_kubectl&) = delete;

  /// Reads on until the output holds `text`; false at its end, or after half a minute.
  bool read_until(const std::string& text) {
    while (output.find(text) == std::string::npos)
      if (!read_more()) return false;
    return true;
  }
  /// Reads to the end and waits: the exit code.
  int finish() {
    while (read_more()) {
    }
    return wait();
  }
  std::string output;

private:
  bool read_more() {
    pollfd p{fd_, POLLIN, 0};
    char buffer[65536];
    if (::poll(&p, 1, 30'000) != 1) return false;
    auto n = ::read(fd_, buffer, sizeof buffer);
    if (n > 0) output.append(buffer, static_cast<size_t>(n));
    return n > 0;
  }
  int wait() {
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  pid_t pid_ = -1;
  int fd_ = -1;
};

struct kubectl_result {
  int code;
  std::string text;
};

/// An API server with TLS, a kubeconfig for it, and kubectl.
class kubectl_world : public api_world {
public:
  explicit kubectl_world(std::shared_ptr<api::pod_streams> streams = nullptr)
      : api_world(std::move(streams)) {
    char name[] = "/tmp/podium-api-test-XXXXXX";
    BOOST_REQUIRE(::mkdtemp(name));
    home = name;
    auto pki = ensure_cluster_pki({.directory = home / "pki", .names = {{"localhost"}, {"127.0.0.1"}}});
    BOOST_REQUIRE(pki);
    auto tls = tls_context::make({pki->server.certificate, pki->server.key, pki->ca.certificate});
    BOOST_REQUIRE(tls);
    tls_port = *http->listen_tcp("127.0.0.1", 0, *tls);
    ca = pki->ca.certificate;
    write("ca.crt", pki->ca.certificate);
    write("admin.crt", pki->admin.certificate);
    write("admin.key", pki->admin.key);
    write("config",
          R"({"apiVersion":"v1","kind":"Config","current-context":"t","contexts":[{"name":"t","context":
      {"cluster":"t","user":"t"}}],"clusters":[{"name":"t","cluster":{"server":"https://127.0.0.1:)"
              + std::to_string(tls_port)
              + R"(","certificate-authority":"ca.crt"}}],"users":[{"name":"t","user":
      {"client-certificate":"admin.crt","client-key":"admin.key"}}]})");
  }
  ~kubectl_world() {
    std::error_code ec;
    std::filesystem::remove_all(home, ec);
  }
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream{home / name} << text;
    return (home / name).string();
  }
  kubectl_result kubectl(const std::string& arguments, const std::string& input = {}) {
    running_kubectl k{home, arguments, input};
    auto code = k.finish();
    return {code, k.output};
  }
  /// kubectl that is to succeed: what it printed.
  std::string ok(const std::string& arguments, const std::string& input = {}) {
    auto r = kubectl(arguments, input);
    BOOST_CHECK_MESSAGE(r.code == 0, "kubectl " << arguments << ": " << r.code << ": " << r.text);
    return r.text;
  }
  std::filesystem::path home;
  std::string ca;
  uint16_t tls_port = 0;
};

inline bool has_kubectl() {
  return std::filesystem::exists("/usr/bin/kubectl") || std::filesystem::exists("/usr/local/bin/kubectl");
}

} // namespace podium::test
