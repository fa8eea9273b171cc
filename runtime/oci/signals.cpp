#include "runtime/oci/signals.hpp"

#include <array>
#include <charconv>
#include <csignal>

namespace podium {
namespace {

struct named_signal {
  std::string_view name;
  int number;
};
constexpr std::array signals{
    named_signal{"HUP", SIGHUP},   named_signal{"INT", SIGINT},       named_signal{"QUIT", SIGQUIT},
    named_signal{"ILL", SIGILL},   named_signal{"TRAP", SIGTRAP},     named_signal{"ABRT", SIGABRT},
    named_signal{"BUS", SIGBUS},   named_signal{"FPE", SIGFPE},       named_signal{"KILL", SIGKILL},
    named_signal{"USR1", SIGUSR1}, named_signal{"SEGV", SIGSEGV},     named_signal{"USR2", SIGUSR2},
    named_signal{"PIPE", SIGPIPE}, named_signal{"ALRM", SIGALRM},     named_signal{"TERM", SIGTERM},
    named_signal{"CHLD", SIGCHLD}, named_signal{"CONT", SIGCONT},     named_signal{"STOP", SIGSTOP},
    named_signal{"TSTP", SIGTSTP}, named_signal{"TTIN", SIGTTIN},     named_signal{"TTOU", SIGTTOU},
    named_signal{"URG", SIGURG},   named_signal{"XCPU", SIGXCPU},     named_signal{"XFSZ", SIGXFSZ},
    named_signal{"PROF", SIGPROF}, named_signal{"VTALRM", SIGVTALRM}, named_signal{"WINCH", SIGWINCH},
    named_signal{"IO", SIGIO},     named_signal{"PWR", SIGPWR},       named_signal{"SYS", SIGSYS},
};

/// RTMIN, RTMIN+n, RTMAX, RTMAX-n as the kernel numbers them (34 to 64): an image is not bound to this C
/// library.
int real_time_signal(std::string_view name) {
  bool low = name.starts_with("RTMIN");
  if (!low && !name.starts_with("RTMAX")) return 0;
  name.remove_prefix(5);
  int offset = 0;
  if (!name.empty()) {
    if (name.front() != (low ? '+' : '-')) return 0;
    name.remove_prefix(1);
    auto [end, ec] = std::from_chars(name.data(), name.data() + name.size(), offset);
    if (ec != std::errc{} || end != name.data() + name.size() || offset > 30) return 0;
  }
  return low ? 34 + offset : 64 - offset;
}

} // namespace

int signal_number(std::string_view name, int fallback) {
  int number = 0;
  auto [end, ec] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (ec == std::errc{} && end == name.data() + name.size())
    return number >= 1 && number <= 64 ? number : fallback;
  if (name.starts_with("SIG")) name.remove_prefix(3);
  for (auto& s : signals)
    if (s.name == name) return s.number;
  int real_time = real_time_signal(name);
  return real_time != 0 ? real_time : fallback;
}

} // namespace podium
