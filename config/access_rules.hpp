// Reading the rules of access.rules: strict, with a sentence for every mistake.
#pragma once
#include "config/settings.hpp"

#include <boost/json.hpp>
#include <string>
#include <vector>

namespace podium::config {

/// Reads a list of rules; the text of the first mistake, or empty.
std::string read_access_rules(const boost::json::value& list, std::vector<access_rule>& out);

/// What is wrong with rules that were set; empty when nothing is. A rule must say for whom, which verbs, and
/// either apiGroups with resources or nonResourceURLs.
std::string check_access_rules(const std::vector<access_rule>& rules);

} // namespace podium::config
