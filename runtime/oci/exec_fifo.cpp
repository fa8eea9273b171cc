#include "runtime/oci/exec_fifo.hpp"

#include "runtime/process/unique_fd.hpp"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace podium {

bool release_init(const std::string& state_directory) {
  auto path = state_directory + "/exec.fifo";
  // Without a reader this open fails (ENXIO).
  unique_fd fifo{::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC)};
  struct stat facts {};
  if (!fifo || ::fstat(fifo.get(), &facts) != 0 || !S_ISFIFO(facts.st_mode)) return false;
  // The name says "created" to every later crun; it goes first, so that none sees it of one that runs.
  if (::unlink(path.c_str()) != 0) return false;
  return ::write(fifo.get(), "", 1) == 1;
}

} // namespace podium
