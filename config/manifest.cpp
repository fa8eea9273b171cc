#include "config/manifest.hpp"

#include "config/defaults.hpp"
#include "config/json_access.hpp"
#include "config/yaml.hpp"
#include "core/error.hpp"

#include <algorithm>

namespace podium::config {
namespace {

/// The mistakes of one file, and the objects that had none.
class manifest_loader {
public:
  std::vector<manifest> objects;
  std::string problems;

  void take(const document& doc) {
    if (text_at(doc.root, "kind") == "List" && text_at(doc.root, "apiVersion") == "v1") return take_list(doc);
    auto out = decode(doc, field_validation::strict);
    if (!out) return add(message_of(out.error()));
    if (!out->ok()) return add(message_of(file_error(doc, *out)));
    auto judged = out->object;
    apply_defaults(out->gvk, judged);
    if (auto causes = validate(out->gvk, judged); !causes.empty()) return add(describe(doc, causes));
    auto warnings = warnings_of(out->gvk, judged);
    for (auto& text : warnings)
      text = warning_line(doc, text);
    objects.push_back({std::move(out->gvk), std::move(out->object), std::move(warnings)});
  }

private:
  void take_list(const document& doc) {
    const auto& items = list_at(doc.root, "items");
    for (size_t i = 0; i < items.size(); ++i) {
      document item;
      item.root = items[i];
      item.source = doc.source;
      item.places = std::make_shared<const place_table>(places_below(doc, join_path("items", i)));
      take(item);
    }
  }

  static place_table places_below(const document& doc, const std::string& path) {
    place_table out;
    if (!doc.places) {
      out[""] = doc.locate(path);
      return out;
    }
    for (const auto& [at, place] : *doc.places) {
      if (at == path)
        out[""] = place;
      else if (at.starts_with(path) && at[path.size()] == '.')
        out[at.substr(path.size() + 1)] = place;
    }
    return out;
  }

  /// Kubernetes' warnings begin with the path they are about: "spec.containers[0].env[1]: …".
  static std::string warning_line(const document& doc, const std::string& text) {
    auto where = to_string(doc.source, doc.locate(text.substr(0, text.find(':'))).value);
    return (where.empty() ? "" : where + ": ") + "warning: " + text;
  }

  void add(const std::string& text) { problems += (problems.empty() ? "" : "\n") + text; }
};

caf::expected<std::vector<manifest>> load(const caf::expected<std::vector<document>>& documents) {
  if (!documents) return documents.error();
  manifest_loader loader;
  for (const auto& doc : *documents)
    loader.take(doc);
  if (!loader.problems.empty()) return make_error(errc::invalid, loader.problems);
  return std::move(loader.objects);
}

} // namespace

caf::expected<std::vector<manifest>> load_manifests(std::string_view text, const std::string& source) {
  return load(parse_manifest(text, source));
}

caf::expected<std::vector<manifest>> load_manifests(const std::string& path) {
  return load(read_manifest(path));
}

std::string describe(const document& doc, const field_causes& causes) {
  std::vector<std::pair<source_position, std::string>> lines;
  for (const auto& cause : causes) {
    auto at = doc.locate(cause.field).value;
    auto where = to_string(doc.source, at);
    lines.emplace_back(at, (where.empty() ? "" : where + ": ") + cause.field + ": " + cause.message);
  }
  std::stable_sort(lines.begin(), lines.end(), [](const auto& a, const auto& b) {
    return std::pair{a.first.line, a.first.column} < std::pair{b.first.line, b.first.column};
  });
  std::string out;
  for (const auto& [at, line] : lines)
    out += (out.empty() ? "" : "\n") + line;
  return out;
}

} // namespace podium::config
