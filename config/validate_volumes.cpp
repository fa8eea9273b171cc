// Validation of a pod's volumes: names and the fields their sources need.
#include "config/document.hpp"
#include "config/json_access.hpp"
#include "config/validate.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace podium::config {
namespace {

struct needed_row {
  std::string_view source;
  std::string_view field;
};

// Fields without which a source means nothing.
constexpr std::array needed{
    needed_row{"hostPath", "path"},  needed_row{"secret", "secretName"},
    needed_row{"configMap", "name"}, needed_row{"nfs", "server"},
    needed_row{"nfs", "path"},       needed_row{"persistentVolumeClaim", "claimName"},
    needed_row{"csi", "driver"},     needed_row{"gitRepo", "repository"},
};

constexpr std::array host_path_types{
    std::string_view{"BlockDevice"}, std::string_view{"CharDevice"},
    std::string_view{"Directory"},   std::string_view{"DirectoryOrCreate"},
    std::string_view{"File"},        std::string_view{"FileOrCreate"},
    std::string_view{"Socket"},
};

void validate_host_path(const json::object& source, const std::string& path, field_causes& out) {
  auto target = text_at(source, "path");
  std::string_view rest = target;
  while (!rest.empty()) {
    auto slash = rest.find('/');
    if (rest.substr(0, slash) == "..") {
      out.invalid(join_path(path, "path"), json::value(target), "must not contain '..'");
      break;
    }
    rest = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
  }
  auto type = text_at(source, "type");
  if (!type.empty()
      && std::find(host_path_types.begin(), host_path_types.end(), type) == host_path_types.end())
    out.not_supported(join_path(path, "type"), type, {host_path_types.begin(), host_path_types.end()});
}

void validate_items(const json::object& source, const std::string& path, field_causes& out) {
  const auto& items = list_at(source, "items");
  for (size_t i = 0; i < items.size(); ++i) {
    auto here = join_path(join_path(path, "items"), i);
    auto target = text_at(items[i], "path");
    if (target.empty())
      out.required(join_path(here, "path"));
    else
      out.invalid(join_path(here, "path"), json::value(target), check_relative_path(target));
  }
  if (auto mode = int_at(source, "defaultMode"); mode < 0 || mode > 0777)
    out.invalid(join_path(path, "defaultMode"), mode,
                "must be a number between 0 and 0777 (octal), both inclusive");
}

void validate_source(std::string_view kind, const json::object& source, const std::string& path,
                     field_causes& out) {
  for (const auto& row : needed)
    if (row.source == kind && text_at(source, row.field).empty()) out.required(join_path(path, row.field));
  if (kind == "hostPath") validate_host_path(source, path, out);
  validate_items(source, path, out);
  if (kind == "emptyDir")
    if (auto medium = text_at(source, "medium");
        !medium.empty() && medium != "Memory" && !medium.starts_with("HugePages"))
      out.not_supported(join_path(path, "medium"), medium, {"", "HugePages", "Memory"});
}

} // namespace

void validate_volumes(const json::array& volumes, const std::string& path, field_causes& out) {
  std::set<std::string> names;
  for (size_t i = 0; i < volumes.size(); ++i) {
    const auto* volume = volumes[i].if_object();
    if (volume == nullptr) continue;
    auto here = join_path(path, i);
    auto name = text_at(*volume, "name");
    if (name.empty())
      out.required(join_path(here, "name"));
    else
      out.invalid(join_path(here, "name"), json::value(name), check_dns_label(name));
    if (!name.empty() && !names.insert(std::string{name}).second)
      out.duplicate(join_path(here, "name"), json::value(name));
    size_t found = 0;
    for (const auto& [kind, source] : *volume) {
      const auto* object = source.if_object();
      if (object == nullptr) continue;
      auto source_path = join_path(here, kind);
      if (++found > 1)
        out.forbidden(source_path, "may not specify more than 1 volume type");
      else
        validate_source(kind, *object, source_path, out);
    }
    if (found == 0) out.required(here, "must specify a volume type");
  }
}

} // namespace podium::config
