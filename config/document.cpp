#include "config/document.hpp"

#include "config/json.hpp"

namespace podium::config {
namespace {

/// The path one level up: "a.b[0]" → "a.b" → "a" → "".
std::string_view parent_of(std::string_view path) {
  auto cut = path.find_last_of(".[");
  return cut == std::string_view::npos ? std::string_view{} : path.substr(0, cut);
}

} // namespace

source_place document::locate(std::string_view path) const {
  auto table = places;
  if (!table && text) table = std::make_shared<const place_table>(json_places(*text));
  if (!table) return {};
  for (;; path = parent_of(path)) {
    if (auto it = table->find(std::string{path}); it != table->end()) return it->second;
    if (path.empty()) return {};
  }
}

std::string document::where(std::string_view path, bool at_key) const {
  auto place = locate(path);
  return to_string(source, at_key ? place.key : place.value);
}

std::string to_string(std::string_view source, source_position position) {
  std::string out{source};
  if (!position.known()) return out;
  if (!out.empty())
    out += ':';
  else
    out = "line ";
  return out + std::to_string(position.line) + (source.empty() ? ", column " : ":")
         + std::to_string(position.column);
}

std::string join_path(std::string_view parent, std::string_view key) {
  std::string out{parent};
  if (!out.empty()) out += '.';
  return out.append(key);
}

std::string join_path(std::string_view parent, size_t index) {
  return std::string{parent} + "[" + std::to_string(index) + "]";
}

} // namespace podium::config
