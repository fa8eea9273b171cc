// labelSelector and fieldSelector of a request, matched against stored objects without parsing more than
// needed.
#pragma once
#include "api/resources.hpp"
#include "config/selector.hpp"
#include "runtime/http/message.hpp"

#include <caf/expected.hpp>

namespace podium::api {

struct selection {
  const resource* res = nullptr;
  config::label_selector labels;
  config::field_selector fields;

  bool empty() const { return labels.empty() && fields.empty(); }
  bool matches(const object& obj) const;
  /// The one name that can match, or null.
  const std::string* only_name() const { return fields.required_value("metadata.name"); }
};

/// Reads both selectors of a query. Error: errc::bad_request.
caf::expected<selection> parse_selection(const resource& r, const http_query& query);

} // namespace podium::api
