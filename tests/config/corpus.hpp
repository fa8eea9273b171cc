// The corpus: texts with the answers they are to get, one after the other in a file. See
// tests/config/corpus/README.md.
#pragma once
#include "config/document.hpp"
#include "config/json_access.hpp"
#include "config/schema.hpp"
#include "config/yaml.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace podium::test {

struct corpus_case {
  std::string file;
  std::string title;
  std::vector<std::string> expected; ///< the lines that began with "#!"
  std::string text;
};

/// One document of tests/config/corpus/good.
struct good_manifest {
  std::string name; ///< "spec.yaml: affinity"
  config::document doc;
};

// Fields that a manifest cannot have: an ephemeral container, or a new event, with them is refused.
inline constexpr std::string_view not_in_manifests[] = {"events.v1.Event.deprecatedSource",
                                                        "events.v1.Event.deprecatedFirstTimestamp",
                                                        "events.v1.Event.deprecatedLastTimestamp",
                                                        "events.v1.Event.deprecatedCount",
                                                        "core.v1.EphemeralContainerCommon.ports",
                                                        "core.v1.EphemeralContainerCommon.resources",
                                                        "core.v1.EphemeralContainerCommon.resizePolicy",
                                                        "core.v1.EphemeralContainerCommon.restartPolicy",
                                                        "core.v1.EphemeralContainerCommon.livenessProbe",
                                                        "core.v1.EphemeralContainerCommon.restartPolicyRules",
                                                        "core.v1.EphemeralContainerCommon.readinessProbe",
                                                        "core.v1.EphemeralContainerCommon.startupProbe",
                                                        "core.v1.EphemeralContainerCommon.lifecycle",
                                                        "core.v1.EphemeralContainerCommon.volumeDevices"};

/// "<x 131072 times>" is that many of them.
inline std::string expanded(std::string line) {
  auto at = line.find("<x ");
  auto end = line.find(" times>");
  if (at == std::string::npos || end == std::string::npos) return line;
  auto count = std::stoul(line.substr(at + 3, end - at - 3));
  return line.substr(0, at) + std::string(count, 'x') + line.substr(end + 7);
}

/// All cases of the files below `folder` (in the source tree), in order of their names.
inline std::vector<corpus_case> read_corpus(const std::string& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator{PODIUM_SOURCE_DIR "/" + folder})
    if (entry.path().extension() == ".txt") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<corpus_case> out;
  for (const auto& file : files) {
    std::ifstream in{file};
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with("### ")) {
        out.push_back({file.filename().string(), line.substr(4), {}, {}});
      } else if (out.empty()) {
        continue;
      } else if (line.starts_with("#! ") && out.back().text.empty()) {
        out.back().expected.push_back(line.substr(3));
      } else {
        out.back().text += expanded(std::move(line)) + "\n";
      }
    }
  }
  return out;
}

/// True if `text` is `pattern`, in which each "…" stands for any text.
inline bool matches_pattern(std::string_view text, std::string_view pattern) {
  constexpr std::string_view any = "…";
  auto end = pattern.find(any);
  if (end == std::string_view::npos) return text == pattern;
  if (!text.starts_with(pattern.substr(0, end))) return false;
  text.remove_prefix(end);
  for (pattern.remove_prefix(end + any.size());; pattern.remove_prefix(end + any.size())) {
    end = pattern.find(any);
    if (end == std::string_view::npos) return text.ends_with(pattern);
    auto at = text.find(pattern.substr(0, end));
    if (at == std::string_view::npos) return false;
    text.remove_prefix(at + end);
  }
}

/// With line ends, tabs and backslashes as two letters each.
inline std::string one_line(std::string_view text) {
  std::string out;
  for (char c : text)
    if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else
      out += c;
  return out;
}

inline std::vector<good_manifest> read_good_manifests() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator{PODIUM_SOURCE_DIR "/tests/config/corpus/good"})
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<good_manifest> out;
  for (const auto& file : files) {
    auto docs = config::read_manifest(file.string());
    if (!docs) throw std::runtime_error(file.string() + " cannot be read");
    for (auto& doc : *docs) {
      const auto* metadata = config::object_at(doc.root, "metadata");
      auto name = metadata == nullptr ? std::string{} : std::string{config::text_at(*metadata, "name")};
      out.push_back({file.filename().string() + ": " + name, std::move(doc)});
    }
  }
  return out;
}

/// The paths of values of `given` that are not, or not the same, in `kept`. Lists may have grown at their
/// end.
inline void find_lost(const config::json::value& given, const config::json::value& kept,
                      const std::string& path, std::vector<std::string>& out) {
  using config::join_path;
  if (given.is_object() && kept.is_object()) {
    for (const auto& [key, value] : given.get_object()) {
      const auto* other = config::member(kept, key);
      if (other == nullptr)
        out.push_back(join_path(path, key) + " is lost");
      else
        find_lost(value, *other, join_path(path, key), out);
    }
  } else if (given.is_array() && kept.is_array() && kept.get_array().size() >= given.get_array().size()) {
    for (size_t i = 0; i < given.get_array().size(); ++i)
      find_lost(given.get_array()[i], kept.get_array()[i], join_path(path, i), out);
  } else if (given != kept) {
    out.push_back(path + " was " + config::json::serialize(given) + ", is " + config::json::serialize(kept));
  }
}

/// Notes the fields that an object uses: "core.v1.PodSpec.volumes".
inline void note_fields(const config::json::value& value, const config::schema_type& type,
                        std::set<std::string>& used) {
  const auto* object = value.if_object();
  if (object == nullptr) return;
  for (const auto& [key, inner] : *object) {
    auto found = type.find(key);
    if (found.field == nullptr) continue;
    const auto& field = *found.field;
    used.insert(std::string{field.owner} + "." + std::string{field.name});
    if (const auto* holder = found.inlined_under == 0 ? nullptr : type.find_number(found.inlined_under))
      used.insert(std::string{holder->owner} + "." + std::string{holder->name});
    if (field.object == nullptr) continue;
    if (const auto* list = inner.if_array())
      for (const auto& item : *list)
        note_fields(item, *field.object, used);
    else
      note_fields(inner, *field.object, used);
  }
}

/// The fields of a type, and of all that it refers to, that are not in `used`; adds each once and to `used`.
inline void find_unused(const config::schema_type& type, std::set<std::string>& used,
                        std::vector<std::string>& out) {
  for (const auto& field : type.fields) {
    auto name = std::string{field.owner} + "." + std::string{field.name};
    bool exempt = std::find(std::begin(not_in_manifests), std::end(not_in_manifests), name)
                  != std::end(not_in_manifests);
    if (!used.contains(name) && !exempt) out.push_back(name);
    used.insert(name);
    if (field.object != nullptr && used.insert("type " + std::string{field.object->name}).second)
      find_unused(*field.object, used, out);
  }
}

} // namespace podium::test
