#include "api/write_options.hpp"

#include "core/time.hpp"
#include "core/utf8.hpp"

#include <array>
#include <cstdio>

namespace podium::api {
namespace {

namespace json = boost::json;

constexpr size_t max_manager_bytes = 128;

/// Text of a JSON string, as %q would print ordinary text.
std::string in_quotes(std::string_view text) {
  return json::serialize(json::value(text));
}

/// The causes of a 422 about options.
class option_causes {
public:
  void add(std::string_view reason, std::string_view field, const std::string& message) {
    text_ += (list_.empty() ? "" : ", ") + std::string{field} + ": " + message;
    list_.push_back({{"reason", reason}, {"message", message}, {"field", field}});
  }
  bool empty() const { return list_.empty(); }

  failure answer(std::string_view kind) const {
    std::string type{kind};
    auto text = list_.size() > 1 ? "[" + text_ + "]" : text_;
    auto status = config::make_status(422, "Invalid", type + ".meta.k8s.io \"\" is invalid: " + text,
                                      {"", "meta.k8s.io", type, ""});
    status.body.as_object()["details"].as_object()["causes"] = list_;
    return {std::move(status)};
  }

private:
  json::array list_;
  std::string text_;
};

bool is_printable(unsigned char c) {
  return c >= 0x20 && c != 0x7f;
}

void judge_manager(std::string_view manager, bool is_apply, option_causes& out) {
  constexpr std::string_view field = "fieldManager";
  if (manager.empty() && is_apply)
    out.add("FieldValueRequired", field, "Required value: is required for apply patch");
  if (manager.size() > max_manager_bytes)
    out.add("FieldValueTooLong", field,
            "Too long: may not be more than " + std::to_string(max_manager_bytes) + " bytes");
  for (size_t i = 0; i < manager.size(); ++i)
    if (auto c = static_cast<unsigned char>(manager[i]); !is_printable(c)) {
      char code[8];
      std::snprintf(code, sizeof code, "U+%04X", c);
      return out.add("FieldValueInvalid", field,
                     "Invalid value: " + in_quotes(manager) + ": invalid character " + code + " (at position "
                         + std::to_string(i) + ")");
    }
}

void judge_dry_run(const std::vector<std::string>& values, option_causes& out) {
  std::string shown;
  bool known = true;
  for (auto& v : values) {
    known = known && (v == "All" || v.empty());
    shown += (shown.empty() ? "" : ", ") + in_quotes(v);
  }
  if (!known)
    out.add("FieldValueNotSupported", "dryRun",
            "Unsupported value: []string{" + shown + "}: supported values: \"All\"");
}

/// The forms of a boolean in a query, as Go's ParseBool has them.
std::optional<bool> parse_bool(std::string_view text) {
  for (auto yes : {"1", "t", "T", "TRUE", "true", "True"})
    if (text == yes) return true;
  for (auto no : {"0", "f", "F", "FALSE", "false", "False"})
    if (text == no) return false;
  return {};
}

std::string manager_of_agent(std::string_view agent) {
  std::string out;
  for (char c : to_utf8(std::string{agent.substr(0, agent.find('/'))}))
    if (is_printable(static_cast<unsigned char>(c)) && out.size() < max_manager_bytes) out += c;
  out.resize(utf8_prefix(out)); // no half of a character
  return out;
}

constexpr std::array<std::string_view, 4> type_names{"CreateOptions", "UpdateOptions", "PatchOptions",
                                                     "PatchOptions"};

} // namespace

outcome<write_options> read_write_options(const call& c, options_kind kind) {
  auto& query = c.query();
  write_options out;
  option_causes causes;
  auto is_patch = kind == options_kind::patch || kind == options_kind::apply;
  if (auto force = query.get("force"); is_patch && force && !force->empty()) {
    auto value = parse_bool(*force);
    if (!value) return bad_request("strconv.ParseBool: parsing " + in_quotes(*force) + ": invalid syntax");
    out.force = *value;
    if (kind == options_kind::patch)
      causes.add("FieldValueForbidden", "force", "Forbidden: may not be specified for non-apply patch");
  }
  out.manager = to_utf8(std::string{query.get("fieldManager").value_or("")});
  judge_manager(out.manager, kind == options_kind::apply, causes);
  std::vector<std::string> dry_run;
  for (auto& v : query.get_all("dryRun"))
    dry_run.emplace_back(v);
  judge_dry_run(dry_run, causes);
  out.dry_run = !dry_run.empty() && !dry_run.front().empty();
  auto validation = query.get("fieldValidation").value_or("");
  if (auto mode = config::parse_field_validation(validation))
    out.validation = *mode;
  else
    causes.add("FieldValueNotSupported", "fieldValidation",
               "Unsupported value: " + in_quotes(validation)
                   + ": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"");
  if (!causes.empty()) return causes.answer(type_names[static_cast<size_t>(kind)]);
  if (out.manager.empty()) out.manager = manager_of_agent(c.request().headers.get("User-Agent"));
  return out;
}

field_write writer_of(const call& c, const write_options& options) {
  field_write out;
  out.gvk = c.res().gvk();
  out.type = config::type_of(out.gvk);
  out.manager = options.manager;
  out.time = to_rfc3339(c.state->now());
  if (c.to.sub) out.subresource = c.to.sub->name;
  bool is_status = c.to.sub && c.to.sub->kind == subresource_kind::status;
  if (!is_status) {
    out.ignored = config::make_field_set({"status"});
    return out;
  }
  for (auto& member : out.type->by_json_name)
    if (member.field->name != "status" && member.field->name != "metadata")
      out.ignored.insert({config::field_element(member.field->name)});
  if (out.gvk.kind == "Pod")
    config::unite(out.ignored,
                  config::make_field_set({"metadata.deletionTimestamp", "metadata.ownerReferences"}));
  return out;
}

} // namespace podium::api
