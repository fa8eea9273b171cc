// What fields are for: the sentences, defaults and values that `kubectl explain` shows beside the schema's
// types.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace podium::config {

/// One row of config/field_descriptions.inc or further_descriptions.inc.
struct field_note {
  std::string_view type;         ///< "PodSpec" of core.v1, or a full name
  std::string_view field;        ///< "" for the type itself
  std::string_view text;         ///< a sentence or two
  std::string_view default_json; ///< "" if there is none, or if it depends on other fields
  std::string_view values;       ///< separated by spaces; "" if any will do

  /// The values as a list.
  std::vector<std::string_view> value_list() const;
};

/// The note of a field of a type ("core.v1.PodSpec"); of the type itself if `field` is "". Null if there is
/// none.
const field_note* note_of(std::string_view type, std::string_view field = {});

/// All notes, for tests.
std::vector<field_note> all_notes();

} // namespace podium::config
