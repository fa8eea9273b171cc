#include "api/output.hpp"

#include "api/printers.hpp"

#include <algorithm>
#include <charconv>

namespace podium::api {
namespace {

namespace json = boost::json;

/// Splits "a;b=c;d=e" and calls f(name, value) for each parameter.
struct media_range {
  std::string type;
  std::vector<std::pair<std::string, std::string>> parameters;

  std::string_view get(std::string_view name) const {
    for (auto& [k, v] : parameters)
      if (k == name) return v;
    return {};
  }
};

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ')
    text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ')
    text.remove_suffix(1);
  return text;
}

media_range parse_range(std::string_view text) {
  media_range out;
  auto semicolon = text.find(';');
  out.type = trim(text.substr(0, semicolon));
  while (semicolon != std::string_view::npos) {
    text.remove_prefix(semicolon + 1);
    semicolon = text.find(';');
    auto piece = trim(text.substr(0, semicolon));
    auto equals = piece.find('=');
    if (equals != std::string_view::npos)
      out.parameters.emplace_back(trim(piece.substr(0, equals)), trim(piece.substr(equals + 1)));
  }
  return out;
}

/// What a header accepts, best first. Source: RFC 9110, 12.5.1; a quality that is no number is 0.
std::vector<media_range> accepted_ranges(std::string_view header) {
  std::vector<std::pair<double, media_range>> found;
  for (auto& item : split_list(header)) {
    auto range = parse_range(item);
    auto q = range.get("q");
    double quality = q.empty() ? 1 : 0;
    std::from_chars(q.data(), q.data() + q.size(), quality);
    if (quality > 0) found.emplace_back(quality, std::move(range));
  }
  std::stable_sort(found.begin(), found.end(), [](auto& a, auto& b) { return a.first > b.first; });
  std::vector<media_range> out;
  for (auto& [quality, range] : found)
    out.push_back(std::move(range));
  return out;
}

std::string metadata_json(const object& obj) {
  return json::serialize(to_json(obj.meta()));
}

std::string partial_json(const object& obj) {
  auto document = obj.document();
  auto* meta = document.as_object().if_contains("metadata");
  return R"({"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":)"
         + (meta ? json::serialize(*meta) : std::string{"{}"}) + "}";
}

/// The stored text, in the version of `r`. Stored documents name their kind.
std::string object_json(const resource& r, const object& obj) {
  if (!r.convert) return obj.json();
  auto document = obj.document();
  r.convert(document.as_object());
  return json::serialize(document);
}

std::string row_json(const resource& r, const object& obj, const output& form, wall_time now) {
  std::string out = "{\"cells\":" + json::serialize(r.printer->cells(obj, now));
  if (r.printer->conditions)
    if (auto conditions = r.printer->conditions(obj); !conditions.empty())
      out += ",\"conditions\":" + json::serialize(conditions);
  if (form.include == row_object::object)
    out += ",\"object\":" + object_json(r, obj);
  else if (form.include == row_object::metadata)
    out += R"(,"object":{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":)"
           + metadata_json(obj) + "}";
  else
    out += ",\"object\":null";
  return out + "}";
}

std::string columns_json(const table_printer& printer) {
  json::array out;
  for (auto& c : printer.columns)
    out.push_back({{"name", c.name},
                   {"type", c.type},
                   {"format", c.format},
                   {"description", c.description},
                   {"priority", c.priority}});
  return json::serialize(out);
}

std::string list_meta_json(const list_meta& meta) {
  json::object out{{"resourceVersion", std::to_string(meta.resource_version)}};
  if (!meta.continue_token.empty()) out["continue"] = meta.continue_token;
  if (meta.remaining > 0) out["remainingItemCount"] = meta.remaining;
  return json::serialize(out);
}

std::string table_head(const resource& r, const list_meta& meta, bool with_columns) {
  return R"({"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":)" + list_meta_json(meta)
         + ",\"columnDefinitions\":" + (with_columns ? columns_json(*r.printer) : std::string{"[]"})
         + ",\"rows\":[";
}

std::string table_of_one(const resource& r, const object& obj, const output& form, wall_time now,
                         bool with_columns) {
  return table_head(r, {obj.resource_version(), {}, 0}, with_columns) + row_json(r, obj, form, now) + "]}";
}

std::string list_head(const resource& r, const list_meta& meta, const output& form) {
  if (form.form == output_form::table) return table_head(r, meta, true);
  bool partial = form.form == output_form::partial;
  auto kind = partial ? std::string{"PartialObjectMetadataList"} : std::string{r.kind} + "List";
  auto version = partial ? std::string{"meta.k8s.io/v1"} : r.group_version();
  return "{\"kind\":\"" + kind + "\",\"apiVersion\":\"" + version + "\",\"metadata\":" + list_meta_json(meta)
         + ",\"items\":[";
}

} // namespace

std::optional<output> negotiate(const http_request& request, bool transforms) {
  output out;
  auto include = request.query.get("includeObject").value_or("");
  if (include == "Object") out.include = row_object::object;
  if (include == "None") out.include = row_object::none;
  auto header = request.headers.get("Accept");
  bool fits = split_list(header).empty();
  for (auto& range : accepted_ranges(header)) {
    fits = fits || range.type == "application/vnd.kubernetes.protobuf";
    out.yaml = range.type == "application/yaml";
    if (!out.yaml && range.type != "application/json" && range.type != "*/*" && range.type != "application/*")
      continue;
    auto as = range.get("as");
    if (as.empty()) return out;
    bool known = transforms && range.get("g") == "meta.k8s.io" && range.get("v") == "v1";
    if (known && as == "Table") {
      out.form = output_form::table;
      return out;
    }
    if (known && (as == "PartialObjectMetadata" || as == "PartialObjectMetadataList")) {
      out.form = output_form::partial;
      return out;
    }
  }
  out.yaml = false;
  return fits ? std::optional{out} : std::nullopt;
}

discovery_form negotiate_discovery(std::string_view accept) {
  for (auto& range : accepted_ranges(accept)) {
    if (range.type != "application/json" && range.type != "*/*") continue;
    if (range.get("as").empty()) return {};
    if (range.get("g") != "apidiscovery.k8s.io" || range.get("as") != "APIGroupDiscoveryList") continue;
    if (range.get("v") == "v2") return {true, "v2"};
    if (range.get("v") == "v2beta1") return {true, "v2beta1"};
  }
  return {};
}

std::string render_object(const resource& r, const object& obj, const output& form, wall_time now) {
  switch (form.form) {
  case output_form::table:
    return table_of_one(r, obj, form, now, true) + "\n";
  case output_form::partial:
    return partial_json(obj) + "\n";
  default:
    return object_json(r, obj) + "\n";
  }
}

std::string render_list(const resource& r, const std::vector<object_ref>& items, const list_meta& meta,
                        const output& form, wall_time now) {
  auto out = list_head(r, meta, form);
  bool first = true;
  for (auto& item : items) {
    if (!std::exchange(first, false)) out += ',';
    if (form.form == output_form::table)
      out += row_json(r, *item, form, now);
    else
      out += form.form == output_form::partial ? partial_json(*item) : object_json(r, *item);
  }
  return out + "]}\n";
}

std::string render_watched(const resource& r, const object& obj, const output& form, wall_time now,
                           bool with_columns) {
  if (form.form == output_form::table) return table_of_one(r, obj, form, now, with_columns);
  return form.form == output_form::partial ? partial_json(obj) : object_json(r, obj);
}

} // namespace podium::api
