#include "core/described.hpp"

#include <array>
#include <cctype>

namespace podium {

std::string json_name(std::string_view member) {
  // Kubernetes writes these words in capitals when they are not the first.
  static constexpr std::array<std::string_view, 10> acronyms = {"ip",  "ips", "id",   "pid",   "fqdn",
                                                                "api", "ipc", "cidr", "cidrs", "uuid"};
  std::string out;
  bool first = true;
  while (!member.empty()) {
    auto end = std::min(member.find('_'), member.size());
    auto word = member.substr(0, end);
    member.remove_prefix(std::min(end + 1, member.size()));
    bool capital = !first && std::find(acronyms.begin(), acronyms.end(), word) != acronyms.end();
    // podIPs, podCIDRs: the plural s stays small.
    for (size_t i = 0; i < word.size(); ++i) {
      bool plural = capital && i + 1 == word.size() && i > 0 && (word == "ips" || word == "cidrs");
      bool upper = (capital && !plural) || (!first && i == 0);
      out += upper ? static_cast<char>(std::toupper(static_cast<unsigned char>(word[i]))) : word[i];
    }
    first = false;
  }
  return out;
}

} // namespace podium
