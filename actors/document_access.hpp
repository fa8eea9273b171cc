// Reading and changing stored documents by path.
#pragma once
#include <boost/json.hpp>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace podium::registry_rules {

using document_path = std::initializer_list<std::string_view>;

/// The object called `name`, made if it is not there. A new member of `parent` ends earlier references into
/// it.
boost::json::object& child(boost::json::object& parent, std::string_view name);

/// The value at the path; null when there is none, or a JSON null.
const boost::json::value* find(const boost::json::value& document, document_path path);
/// "" when there is no text.
std::string text_at(const boost::json::value& document, document_path path);
std::optional<int64_t> number_at(const boost::json::value& document, document_path path);
/// True also when there is no list.
bool empty_list(const boost::json::value& document, document_path path);

/// One more, if there is a metadata.generation to count.
void grow_generation(boost::json::object& meta);
/// A pod phase that is never left.
bool terminal(std::string_view phase);

} // namespace podium::registry_rules
