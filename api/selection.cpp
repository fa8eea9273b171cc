#include "api/selection.hpp"

#include "messages/pod.hpp"

#include <optional>

namespace podium::api {
namespace {

namespace json = boost::json;

/// The fields that lists and watches of nodes and schedulers select by, without a document.
std::optional<std::string> quick_field(const resource& r, const object& obj, std::string_view field) {
  if (field == "metadata.name") return obj.key().name;
  if (field == "metadata.namespace") return obj.key().ns;
  if (r.stored_as != "pods") return {};
  if (field == "spec.nodeName") return obj.as_pod().spec.node_name;
  if (field == "status.phase") return obj.as_pod().status.phase;
  return {};
}

bool labels_match(const config::label_selector& selector, const object& obj) {
  json::object labels;
  for (auto& [key, value] : obj.meta().labels)
    labels.emplace(key, value);
  return selector.matches(&labels);
}

bool fields_match(const config::field_selector& selector, const resource& r, const object& obj) {
  std::optional<json::value> document;
  for (auto& requirement : selector.requirements) {
    auto text = quick_field(r, obj, requirement.field);
    if (!text) {
      if (!document) {
        document = obj.document();
        if (r.convert) r.convert(document->as_object());
      }
      text = config::field_text(*document, requirement.field);
    }
    if ((*text == requirement.value) == requirement.negated) return false;
  }
  return true;
}

} // namespace

bool selection::matches(const object& obj) const {
  if (!labels.empty() && !labels_match(labels, obj)) return false;
  return fields.empty() || fields_match(fields, *res, obj);
}

caf::expected<selection> parse_selection(const resource& r, const http_query& query) {
  selection out{&r, {}, {}};
  if (auto text = query.get("labelSelector"); text && !text->empty()) {
    auto labels = config::parse_label_selector(*text);
    if (!labels) return labels.error();
    out.labels = std::move(*labels);
  }
  if (auto text = query.get("fieldSelector"); text && !text->empty()) {
    auto fields = config::parse_field_selector(r.qualified(), *text);
    if (!fields) return fields.error();
    out.fields = std::move(*fields);
  }
  return out;
}

} // namespace podium::api
