#include "runtime/oci/machine.hpp"

#include "runtime/oci/small_files.hpp"
#include <algorithm>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace podium {
namespace {

constexpr int64_t hard_eviction_bytes = 100 << 20; // memory.available<100Mi
constexpr const char* most_pods = "110";
/// The API level that is served and acted on; kubectl compares its own version with it.
constexpr const char* kubelet_version = "v1.32.0";

std::string first_line(const std::string& path) {
  auto text = read_small_file(path, 4096);
  return text.substr(0, text.find('\n'));
}

std::string os_name() {
  auto text = read_small_file("/etc/os-release", 16 * 1024);
  constexpr std::string_view key = "PRETTY_NAME=";
  auto begin = text.find(key);
  if (begin == std::string::npos) return "Linux";
  auto value = text.substr(begin + key.size(), text.find('\n', begin) - begin - key.size());
  std::erase(value, '"');
  return value;
}

/// Go's names, which Kubernetes uses.
std::string architecture(const std::string& machine) {
  if (machine == "x86_64") return "amd64";
  if (machine == "aarch64") return "arm64";
  return machine;
}

} // namespace

machine_facts read_machine_facts(const std::string& root, const std::string& runtime_version) {
  machine_facts facts;
  auto pages = ::sysconf(_SC_PHYS_PAGES);
  auto memory_bytes = static_cast<int64_t>(pages) * ::sysconf(_SC_PAGESIZE);
  auto ki = [](int64_t bytes) { return std::to_string(bytes / 1024) + "Ki"; };
  facts.capacity["cpu"] = std::to_string(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
  facts.capacity["memory"] = ki(memory_bytes);
  facts.capacity["pods"] = most_pods;
  struct statvfs disk {};
  if (::statvfs(root.c_str(), &disk) == 0)
    facts.capacity["ephemeral-storage"] =
        ki(static_cast<int64_t>(disk.f_blocks) * static_cast<int64_t>(disk.f_frsize));
  facts.allocatable = facts.capacity;
  facts.allocatable["memory"] = ki(std::max<int64_t>(memory_bytes - hard_eviction_bytes, 0));
  struct utsname host {};
  ::uname(&host);
  facts.info.machine_id = first_line("/etc/machine-id");
  auto uuid = first_line("/sys/class/dmi/id/product_uuid");
  facts.info.system_uuid = uuid.empty() ? facts.info.machine_id.value : uuid;
  facts.info.boot_id = boot_id();
  facts.info.kernel_version = host.release;
  facts.info.os_image = os_name();
  facts.info.container_runtime_version = runtime_version;
  facts.info.kubelet_version = kubelet_version;
  facts.info.kube_proxy_version = kubelet_version;
  facts.info.operating_system = "linux";
  facts.info.architecture = architecture(host.machine);
  return facts;
}

std::string runtime_version_of(const std::string& name, const std::string& version_output) {
  auto line = version_output.substr(0, version_output.find('\n'));
  constexpr std::string_view word = " version ";
  auto at = line.find(word);
  return name + "://" + (at == std::string::npos ? "unknown" : line.substr(at + word.size()));
}

} // namespace podium
