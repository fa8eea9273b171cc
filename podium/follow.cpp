#include "podium/follow.hpp"

#include "api/printers.hpp"

#include <map>
#include <memory>

namespace podium {

void follow_pods(engine& daemon, std::FILE* out) {
  struct shown {
    std::map<std::string, std::string> rows; ///< by uid, without what time alone changes
  };
  auto state = std::make_shared<shown>();
  std::fprintf(out, "%-10s %-32s %-7s %-20s %s\n", "TIME", "POD", "READY", "STATUS", "RESTARTS");
  std::fflush(out);
  daemon.on_change("pods", [state, out, &daemon](const watch_event& event) {
    auto now = daemon.wall_now();
    auto cells = api::pod_printer.cells(*event.object, now);
    auto text = [&](size_t i) { return std::string(cells.at(i).as_string()); };
    auto name = event.object->key().ns + "/" + event.object->key().name;
    auto restarts = text(3);
    auto essence = text(1) + text(2) + restarts.substr(0, restarts.find(' '));
    bool gone = event.type == watch_type::deleted;
    if (gone)
      state->rows.erase(event.object->uid());
    else if (std::exchange(state->rows[event.object->uid()], essence) == essence)
      return;
    auto status = gone ? std::string{"Deleted"} : text(2);
    std::fprintf(out, "%-10s %-32s %-7s %-20s %s\n", to_rfc3339(now).substr(11, 8).c_str(), name.c_str(),
                 text(1).c_str(), status.c_str(), restarts.c_str());
    std::fflush(out);
  });
}

} // namespace podium
