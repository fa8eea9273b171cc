#include "config/field_notes.hpp"

#include <algorithm>
#include <map>

namespace podium::config {
namespace {

constexpr field_note rows[] = {
#include "config/field_descriptions.inc"
#include "config/further_descriptions.inc"
};

using note_index = std::map<std::pair<std::string_view, std::string_view>, const field_note*>;

const note_index& index() {
  static const note_index the_index = [] {
    note_index out;
    for (const auto& row : rows)
      out.emplace(std::pair{row.type, row.field}, &row);
    return out;
  }();
  return the_index;
}

} // namespace

std::vector<std::string_view> field_note::value_list() const {
  std::vector<std::string_view> out;
  auto rest = values;
  while (!values.empty()) {
    auto end = rest.find(' ');
    out.push_back(rest.substr(0, end));
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  return out;
}

const field_note* note_of(std::string_view type, std::string_view field) {
  constexpr std::string_view core = "core.v1.";
  if (type.starts_with(core)) type.remove_prefix(core.size());
  auto found = index().find({type, field});
  return found == index().end() ? nullptr : found->second;
}

std::vector<field_note> all_notes() {
  return {std::begin(rows), std::end(rows)};
}

} // namespace podium::config
