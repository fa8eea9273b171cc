#include "config/settings.hpp"

#include "config/access_rules.hpp"
#include "config/field_formats.hpp"
#include "config/json_access.hpp"
#include "config/setting_rows.hpp"
#include "config/yaml.hpp"
#include "core/error.hpp"
#include "core/quantity.hpp"
#include "core/time.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace podium::config {
namespace {

std::string number_text(double number) {
  char buffer[64];
  auto [end, ec] = std::to_chars(buffer, buffer + sizeof buffer, number);
  return {buffer, end};
}

/// Writes one value into the settings; the text of the mistake, or empty.
class value_reader {
public:
  value_reader(settings& into, const setting_row& row, const json::value& value)
      : into_(into), row_(row), value_(value) {}

  std::string operator()(text_of target) {
    const auto* text = value_.if_string();
    if (text == nullptr) return "must be text";
    std::string is{*text};
    target(into_) = is;
    return {};
  }
  std::string operator()(integer_of target) {
    int64_t number = 0;
    if (value_.is_int64()) {
      number = value_.get_int64();
    } else if (row_.in == unit::bytes && value_.is_string()) {
      auto amount = quantity::parse(value_.get_string());
      if (!amount) return message_of(amount.error());
      number = amount->value();
    } else {
      return row_.in == unit::bytes ? "must be a number of bytes, such as 64Ki" : "must be a whole number";
    }
    target(into_) = number;
    return {};
  }
  std::string operator()(number_of target) {
    if (!value_.is_number()) return "must be a number";
    target(into_) = value_.to_number<double>();
    return {};
  }
  std::string operator()(duration_of target) {
    const auto* text = value_.if_string();
    auto duration = text == nullptr ? std::nullopt : parse_go_duration(std::string_view{*text});
    if (!duration) return "must be a duration, such as 300ms, 10s or 1m20s";
    target(into_) = *duration;
    return {};
  }
  std::string operator()(labels_of target) {
    const auto* labels = value_.if_object();
    if (labels == nullptr) return "must be a map of labels";
    for (const auto& [key, value] : *labels) {
      if (!value.is_string()) return "the label " + std::string{key} + " must be text (quote it)";
      target(into_)[std::string{key}] = std::string{value.get_string()};
    }
    return {};
  }
  std::string operator()(mirrors_of target) {
    const auto* hosts = value_.if_object();
    if (hosts == nullptr) return "must be a map of registry hosts";
    for (const auto& [host, list] : *hosts) {
      if (!list.is_array()) return std::string{host} + " must have a list of mirrors";
      auto& mirrors = target(into_)[std::string{host}];
      for (const auto& item : list.get_array()) {
        registry_mirror mirror;
        if (auto problem = read_mirror(item, mirror); !problem.empty())
          return std::string{host} + ": " + problem;
        mirrors.push_back(std::move(mirror));
      }
    }
    return {};
  }

  std::string operator()(rules_of target) { return read_access_rules(value_, target(into_)); }

private:
  static std::string read_mirror(const json::value& item, registry_mirror& out) {
    constexpr const char* shape = "a mirror is {layout: directory} or {registry: host, insecure: true|false}";
    const auto* object = item.if_object();
    if (object == nullptr) return shape;
    for (const auto& [key, value] : *object) {
      if (key == "layout" && value.is_string())
        out.layout = std::string{value.get_string()};
      else if (key == "registry" && value.is_string())
        out.registry = std::string{value.get_string()};
      else if (key == "insecure" && value.is_bool())
        out.insecure = value.get_bool();
      else
        return shape;
    }
    return out.layout.empty() == out.registry.empty() ? shape : std::string{};
  }

  settings& into_;
  const setting_row& row_;
  const json::value& value_;
};

/// What is wrong with a value that is set, wherever it came from; empty when nothing is.
struct value_checker {
  settings& from;
  const setting_row& row;

  std::string operator()(text_of target) const {
    if (row.choices.empty() || is_choice(target(from))) return {};
    return "must be one of: " + std::string{row.choices};
  }
  std::string operator()(integer_of target) const { return at_least(target(from) >= row.low); }
  std::string operator()(number_of target) const {
    return at_least(target(from) >= static_cast<double>(row.low));
  }
  std::string operator()(duration_of target) const {
    if (target(from).count() >= row.low) return {};
    return "must be at least " + to_go_duration(nanoseconds{row.low});
  }
  std::string operator()(labels_of target) const {
    for (const auto& [key, value] : target(from))
      for (const auto& problems : {check_qualified_name(key), check_label_value(value)})
        if (!problems.empty()) return "the label " + key + ": " + problems.front();
    return {};
  }
  std::string operator()(mirrors_of) const { return {}; }
  std::string operator()(rules_of target) const { return check_access_rules(target(from)); }

private:
  std::string at_least(bool holds) const {
    return holds ? std::string{} : "must be at least " + std::to_string(row.low);
  }
  bool is_choice(std::string_view text) const {
    for (auto rest = row.choices; !rest.empty();) {
      auto space = std::min(rest.find(' '), rest.size());
      if (rest.substr(0, space) == text) return true;
      rest.remove_prefix(std::min(space + 1, rest.size()));
    }
    return false;
  }
};

std::string check_value(settings& given, const setting_row& row) {
  auto text = std::visit(value_checker{given, row}, row.target);
  return text.empty() && row.check != nullptr ? row.check(given) : text;
}

/// A setting's value as it would stand in a file.
struct value_printer {
  settings& from;
  const setting_row& row;

  std::string operator()(text_of target) const { return target(from).empty() ? "\"\"" : target(from); }
  std::string operator()(integer_of target) const {
    auto number = target(from);
    return row.in == unit::bytes ? quantity::of_bytes(number).to_string() : std::to_string(number);
  }
  std::string operator()(number_of target) const { return number_text(target(from)); }
  std::string operator()(duration_of target) const { return to_go_duration(target(from)); }
  std::string operator()(labels_of) const { return "{}"; }
  std::string operator()(mirrors_of) const { return "{}"; }
  std::string operator()(rules_of) const { return "[]"; }
};

std::string type_of_row(const setting_row& row) {
  if (!row.choices.empty()) return "one of: " + std::string{row.choices};
  if (row.in == unit::bytes) return "bytes";
  constexpr std::string_view names[] = {"text",   "integer", "number", "duration",
                                        "labels", "mirrors", "rules"};
  return std::string{names[row.target.index()]};
}

class settings_reader {
public:
  explicit settings_reader(const document& doc) : doc_(doc) {}

  void read(const json::object& in, const std::string& path) {
    auto rows = setting_rows();
    for (const auto& [key, value] : in) {
      auto here = join_path(path, key);
      auto row = std::find_if(rows.begin(), rows.end(), [&](const auto& r) { return r.path == here; });
      if (row != rows.end()) {
        if (!value.is_null()) set(*row, value, here);
      } else if (is_group(here)) {
        if (const auto* object = value.if_object())
          read(*object, here);
        else if (!value.is_null())
          problem(doc_.locate(here).value, here + " must be a map of settings");
      } else {
        problem(doc_.locate(here).key, "there is no setting " + here + hint(here));
      }
    }
  }

  /// Once all is read: a value may be judged by another one, whichever of the two came first.
  void check() {
    for (auto& [row, path] : given_)
      if (auto text = check_value(result, *row); !text.empty())
        problem(doc_.locate(path).value, path + " " + text);
  }

  settings result;
  std::string problems;

private:
  static bool is_group(const std::string& path) {
    auto rows = setting_rows();
    return std::any_of(rows.begin(), rows.end(),
                       [&](const auto& row) { return row.path.starts_with(path + "."); });
  }

  static std::string hint(std::string_view path) {
    auto plain = [](std::string_view text) {
      std::string out;
      for (char c : text)
        if (c != '_' && c != '-') out += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
      return out;
    };
    for (const auto& row : setting_rows())
      if (plain(row.path) == plain(path)) return " (did you mean " + std::string{row.path} + "?)";
    return " (podium settings lists them)";
  }

  void set(const setting_row& row, const json::value& value, const std::string& path) {
    auto text = std::visit(value_reader{result, row, value}, row.target);
    if (!text.empty()) return problem(doc_.locate(path).value, path + " " + text);
    given_.emplace_back(&row, path);
  }

  void problem(source_position at, const std::string& text) {
    auto where = to_string(doc_.source, at);
    problems += (problems.empty() ? "" : "\n") + (where.empty() ? "" : where + ": ") + text;
  }

  const document& doc_;
  std::vector<std::pair<const setting_row*, std::string>> given_;
};

caf::expected<settings> read_documents(const std::vector<document>& documents, const std::string& source) {
  if (documents.empty()) return settings{};
  if (documents.size() > 1)
    return make_error(errc::bad_request,
                      (source.empty() ? "" : source + ": ") + "one document is wanted, not several");
  const auto& doc = documents.front();
  const auto* object = doc.root.if_object();
  if (object == nullptr)
    return make_error(errc::bad_request,
                      (source.empty() ? "" : source + ": ") + "settings are a map of names and values");
  settings_reader reader{doc};
  reader.read(*object, "");
  reader.check();
  if (!reader.problems.empty()) return make_error(errc::bad_request, reader.problems);
  return std::move(reader.result);
}

} // namespace

std::vector<setting_info> all_settings() {
  settings defaults;
  std::vector<setting_info> out;
  for (const auto& row : setting_rows())
    out.push_back(
        {row.path, type_of_row(row), std::visit(value_printer{defaults, row}, row.target), row.doc});
  return out;
}

caf::expected<settings> parse_settings(std::string_view yaml, const std::string& source) {
  auto documents = parse_yaml(yaml, source);
  if (!documents) return std::move(documents.error());
  return read_documents(*documents, source);
}

caf::expected<settings> read_settings(const std::string& path) {
  auto documents = read_manifest(path);
  if (!documents) return std::move(documents.error());
  return read_documents(*documents, path);
}

caf::error check_settings(const settings& given) {
  auto copy = given; // the rows reach their members for writing too
  std::string problems;
  for (const auto& row : setting_rows())
    if (auto text = check_value(copy, row); !text.empty())
      problems += (problems.empty() ? "" : "\n") + std::string{row.path} + " " + text;
  return problems.empty() ? caf::error{} : make_error(errc::bad_request, problems);
}

std::string settings_reference() {
  std::string out;
  std::string group;
  for (const auto& info : all_settings()) {
    auto dot = info.path.find('.');
    std::string_view here = dot == std::string_view::npos ? std::string_view{} : info.path.substr(0, dot);
    auto name = dot == std::string_view::npos ? info.path : info.path.substr(dot + 1);
    if (here != group) {
      group = here;
      if (!group.empty()) out += group + ":\n";
    }
    std::string indent = group.empty() ? "" : "  ";
    out += indent + "# " + std::string{info.doc} + " (" + std::string{info.type} + ")\n";
    out += indent + std::string{name} + ": " + info.default_value + "\n";
  }
  return out;
}

std::vector<std::string> entries_in(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    auto end = std::min(text.find(','), text.size());
    auto word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (word.starts_with(' '))
      word.remove_prefix(1);
    while (word.ends_with(' '))
      word.remove_suffix(1);
    out.emplace_back(word);
  }
  return out;
}

} // namespace podium::config
