#include "podium/follow.hpp"

#include "api/printers.hpp"

#include <map>
#include <utility>

namespace podium {
namespace {

std::string row(const std::string& time, const std::string& name, const std::string& ready,
                const std::string& status, const std::string& restarts) {
  char line[512];
  std::snprintf(line, sizeof line, "%-10s %-32s %-7s %-20s %s", time.c_str(), name.c_str(), ready.c_str(),
                status.c_str(), restarts.c_str());
  return line;
}

} // namespace

void follow_pods(engine& daemon, std::shared_ptr<line_writer> out) {
  auto rows =
      std::make_shared<std::map<std::string, std::string>>(); // by uid, without what time alone changes
  out->add(row("TIME", "POD", "READY", "STATUS", "RESTARTS"));
  daemon.on_change("pods", [rows, out = std::move(out), &daemon](const watch_event& event) {
    auto now = daemon.wall_now();
    auto cells = api::pod_printer.cells(*event.object, now);
    auto text = [&](size_t i) { return std::string(cells.at(i).as_string()); };
    auto restarts = text(3);
    auto essence = text(1) + text(2) + restarts.substr(0, restarts.find(' '));
    bool gone = event.type == watch_type::deleted;
    if (gone)
      rows->erase(event.object->uid());
    else if (std::exchange((*rows)[event.object->uid()], essence) == essence)
      return;
    out->add(row(to_rfc3339(now).substr(11, 8), event.object->key().ns + "/" + event.object->key().name,
                 text(1), gone ? "Deleted" : text(2), restarts));
  });
}

} // namespace podium
