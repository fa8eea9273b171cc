#include "runtime/sim/sim_profile.hpp"
#include "runtime/sim/glob.hpp"

namespace podium {

std::vector<sim_exec> sim_file(const std::string& path, nanoseconds from, nanoseconds until) {
  auto pattern = "*" + path + "*";
  return {{.command = pattern, .from = from, .until = until},
          {.command = pattern, .exit_code = 1, .output = path + ": No such file or directory\n"}};
}

void sim_profiles::set(std::string pattern, sim_profile profile) {
  std::erase_if(by_pattern_, [&](auto& entry) { return entry.first == pattern; });
  by_pattern_.emplace_back(std::move(pattern), std::move(profile));
}

const sim_profile& sim_profiles::find(std::string_view image, std::string_view pod_namespace,
                                      std::string_view pod_name, std::string_view container) const {
  std::string path{pod_namespace};
  path.append("/").append(pod_name).append("/").append(container);
  for (auto i = by_pattern_.rbegin(); i != by_pattern_.rend(); ++i)
    if (glob_match(i->first, image) || glob_match(i->first, container) || glob_match(i->first, path))
      return i->second;
  return default_;
}

} // namespace podium
