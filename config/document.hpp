// A document: one YAML or JSON object with the places its values were read from.
#pragma once
#include <boost/json.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace podium::config {

namespace json = boost::json;

/// A place in a text; lines and columns count from 1, 0 means unknown. Columns count bytes.
struct source_position {
  uint32_t line = 0;
  uint32_t column = 0;
  bool known() const { return line != 0; }
  bool operator==(const source_position&) const = default;
};

/// Where a member is: its key (for list elements the same as the value), and its value.
struct source_place {
  source_position key;
  source_position value;
};

/// Places by JSON path as Kubernetes writes it: "spec.containers[0].image"; the root is "".
using place_table = std::unordered_map<std::string, source_place>;

/// Bounds on what a text may hold. All are generous for real manifests.
struct text_limits {
  size_t bytes = 3 * 1024 * 1024;
  uint32_t depth = 100;
  size_t nodes = 1'000'000;             ///< values in a YAML text, whose parser takes microseconds for each
  size_t alias_nodes = 100'000;         ///< nodes that YAML aliases may expand to
  size_t alias_bytes = 8 * 1024 * 1024; ///< bytes of text that YAML aliases may expand to
};

/// Bytes of all the paths that a text's place table may hold.
constexpr size_t max_place_bytes = 32 * 1024 * 1024;

/// One object read from a text.
struct document {
  json::value root;
  std::string source; ///< file name for messages; may be empty
  std::vector<std::string>
      duplicates; ///< paths of keys given more than once (JSON only; the last one counts)

  /// Where the value at `path` is, or the nearest object around it that is known.
  source_place locate(std::string_view path) const;

  /// "file:line:column" of the member at `path` (`at_key`: of its key), as much of it as is known.
  std::string where(std::string_view path, bool at_key = false) const;

  /// The places; made from `text` when first asked for and empty.
  std::shared_ptr<const place_table> places;
  std::shared_ptr<const std::string> text; ///< the JSON text, for documents read from JSON
};

/// "file:line:column", leaving out what is unknown.
std::string to_string(std::string_view source, source_position position);

/// `parent` + "." + `key`, or `key` when `parent` is the root.
std::string join_path(std::string_view parent, std::string_view key);

/// `parent` + "[index]".
std::string join_path(std::string_view parent, size_t index);

} // namespace podium::config
