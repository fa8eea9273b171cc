// The rows behind the settings: where each one lives in the struct, what it may be, what it is for.
#pragma once
#include "config/settings.hpp"

#include <cstdint>
#include <span>
#include <variant>

namespace podium::config {

using text_of = std::string& (*)(settings&);
using integer_of = int64_t& (*)(settings&);
using number_of = double& (*)(settings&);
using duration_of = nanoseconds& (*)(settings&);
using labels_of = std::map<std::string, std::string>& (*)(settings&);
using mirrors_of = std::map<std::string, std::vector<registry_mirror>>& (*)(settings&);

using rules_of = std::vector<access_rule>& (*)(settings&);

/// What is wrong with a value that was just set; empty when nothing is.
using value_check = std::string (*)(const settings&);

enum class unit : uint8_t { none, bytes };

struct setting_row {
  std::string_view path;
  std::variant<text_of, integer_of, number_of, duration_of, labels_of, mirrors_of, rules_of> target;
  std::string_view doc;
  int64_t low = 0; ///< the least integer, number or duration (ns) allowed
  unit in = unit::none;
  std::string_view choices = {}; ///< the texts allowed, separated by spaces
  value_check check = nullptr;
};

/// All rows, in the order of the documentation.
std::span<const setting_row> setting_rows();

} // namespace podium::config
