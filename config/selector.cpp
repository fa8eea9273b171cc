#include "config/selector.hpp"

#include "config/field_formats.hpp"
#include "config/json_access.hpp"
#include "core/error.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace podium::config {
namespace {

constexpr size_t max_selector_bytes = 64 * 1024;
constexpr size_t max_requirements = 1000;

constexpr std::string_view specials = "=!(),<>";

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/// Words and operators of a label selector.
class selector_lexer {
public:
  explicit selector_lexer(std::string_view text) : text_(text) { next(); }

  std::string_view token() const { return token_; }
  bool at_end() const { return token_.empty(); }
  bool is_word() const { return !token_.empty() && specials.find(token_[0]) == std::string_view::npos; }

  void next() {
    while (at_ < text_.size() && is_space(text_[at_]))
      ++at_;
    auto begin = at_;
    if (at_ < text_.size() && specials.find(text_[at_]) != std::string_view::npos) {
      ++at_;
      bool two = at_ < text_.size() && text_[at_] == '=' && (text_[begin] == '=' || text_[begin] == '!');
      if (two) ++at_;
    } else {
      while (at_ < text_.size() && !is_space(text_[at_])
             && specials.find(text_[at_]) == std::string_view::npos)
        ++at_;
    }
    token_ = text_.substr(begin, at_ - begin);
  }

private:
  std::string_view text_;
  size_t at_ = 0;
  std::string_view token_;
};

class selector_parser {
public:
  explicit selector_parser(std::string_view text) : lexer_(text) {}

  /// The text of the mistake, or empty.
  std::string parse(label_selector& out) {
    while (!lexer_.at_end()) {
      label_requirement requirement;
      if (auto problem = one(requirement); !problem.empty()) return problem;
      out.requirements.push_back(std::move(requirement));
      if (out.requirements.size() > max_requirements) return "more than 1000 requirements";
      if (lexer_.at_end()) return {};
      if (lexer_.token() != ",") return found("',' or 'end of string'");
      lexer_.next();
      if (lexer_.at_end()) return found("identifier after ','");
    }
    return {};
  }

private:
  std::string found(std::string_view expected) const {
    return "found '" + std::string{lexer_.token()} + "', expected: " + std::string{expected};
  }

  std::string one(label_requirement& out) {
    bool negated = lexer_.token() == "!";
    if (negated) lexer_.next();
    if (!lexer_.is_word()) return found("!, identifier, or 'end of string'");
    out.key = lexer_.token();
    lexer_.next();
    if (auto problems = check_qualified_name(out.key); !problems.empty())
      return "key: Invalid value: \"" + out.key + "\": " + problems.front();
    if (negated || lexer_.at_end() || lexer_.token() == ",") {
      out.op = negated ? selector_op::not_exists : selector_op::exists;
      return {};
    }
    return operation(out);
  }

  std::string operation(label_requirement& out) {
    auto op = std::string{lexer_.token()};
    lexer_.next();
    if (op == "in" || op == "notin") {
      out.op = op == "in" ? selector_op::in : selector_op::not_in;
      return set(out);
    }
    if (op == "=" || op == "==")
      out.op = selector_op::in;
    else if (op == "!=")
      out.op = selector_op::not_in;
    else if (op == ">")
      out.op = selector_op::greater;
    else if (op == "<")
      out.op = selector_op::less;
    else
      return "found '" + op + "', expected: in, notin, =, ==, !=, gt, lt";
    std::string value;
    if (lexer_.is_word()) {
      value = lexer_.token();
      lexer_.next();
    } else if (!lexer_.at_end() && lexer_.token() != ",") {
      return found("identifier");
    }
    return add(out, std::move(value));
  }

  std::string add(label_requirement& out, std::string value) {
    if (out.op == selector_op::greater || out.op == selector_op::less) {
      int64_t number = 0;
      auto [end, ec] = std::from_chars(value.data(), value.data() + value.size(), number);
      if (ec != std::errc{} || end != value.data() + value.size())
        return "values[0][" + out.key + "]: Invalid value: \"" + value
               + "\": for 'Gt', 'Lt' operators, the value must be an integer";
    }
    if (auto problems = check_label_value(value); !problems.empty())
      return "values[0][" + out.key + "]: Invalid value: \"" + value + "\": " + problems.front();
    out.values.push_back(std::move(value));
    return {};
  }

  std::string set(label_requirement& out) {
    if (lexer_.token() != "(") return found("'('");
    lexer_.next();
    for (;;) {
      std::string value;
      if (lexer_.is_word()) {
        value = lexer_.token();
        lexer_.next();
      }
      if (lexer_.token() != "," && lexer_.token() != ")") return found("',', ')' or identifier");
      if (auto problem = add(out, std::move(value)); !problem.empty()) return problem;
      bool last = lexer_.token() == ")";
      lexer_.next();
      if (last) break;
    }
    std::sort(out.values.begin(), out.values.end());
    out.values.erase(std::unique(out.values.begin(), out.values.end()), out.values.end());
    return {};
  }

  selector_lexer lexer_;
};

std::optional<int64_t> number_of(std::string_view text) {
  int64_t out = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (ec != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return out;
}

bool holds(const label_requirement& requirement, const json::object* labels) {
  const auto* value = labels == nullptr ? nullptr : labels->if_contains(requirement.key);
  const auto* text = value == nullptr ? nullptr : value->if_string();
  auto listed = [&] {
    return std::find(requirement.values.begin(), requirement.values.end(), std::string_view{*text})
           != requirement.values.end();
  };
  switch (requirement.op) {
  case selector_op::in:
    return text != nullptr && listed();
  case selector_op::not_in:
    return text == nullptr || !listed();
  case selector_op::exists:
    return text != nullptr;
  case selector_op::not_exists:
    return text == nullptr;
  default:
    break;
  }
  if (text == nullptr) return false;
  auto number = number_of(std::string_view{*text});
  auto bound = number_of(requirement.values.front());
  if (!number || !bound) return false;
  return requirement.op == selector_op::greater ? *number > *bound : *number < *bound;
}

std::string print(const label_requirement& requirement) {
  auto list = [&] {
    std::string out;
    for (const auto& value : requirement.values) // one may be empty: "a in (,b)"
      out += (&value == &requirement.values.front() ? "" : ",") + value;
    return out;
  };
  bool single = requirement.values.size() == 1;
  switch (requirement.op) {
  case selector_op::in:
    return requirement.key + (single ? "=" + list() : " in (" + list() + ")");
  case selector_op::not_in:
    return requirement.key + (single ? "!=" + list() : " notin (" + list() + ")");
  case selector_op::exists:
    return requirement.key;
  case selector_op::not_exists:
    return "!" + requirement.key;
  case selector_op::greater:
    return requirement.key + ">" + list();
  case selector_op::less:
    return requirement.key + "<" + list();
  }
  return {};
}

struct expression_row {
  std::string_view name;
  selector_op op;
  bool takes_values;
};

constexpr std::array expressions{
    expression_row{"In", selector_op::in, true},
    expression_row{"NotIn", selector_op::not_in, true},
    expression_row{"Exists", selector_op::exists, false},
    expression_row{"DoesNotExist", selector_op::not_exists, false},
};

} // namespace

bool label_selector::matches(const json::object* labels) const {
  return std::all_of(requirements.begin(), requirements.end(),
                     [&](const auto& r) { return holds(r, labels); });
}

std::string label_selector::to_string() const {
  auto sorted = requirements;
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
  std::string out;
  for (const auto& requirement : sorted)
    out += (out.empty() ? "" : ",") + print(requirement);
  return out;
}

caf::expected<label_selector> parse_label_selector(std::string_view text) {
  auto refuse = [&](const std::string& why) {
    return make_error(errc::bad_request, "unable to parse requirement: " + why);
  };
  if (text.size() > max_selector_bytes) return refuse("the selector is longer than 64 KiB");
  label_selector out;
  if (auto problem = selector_parser{text}.parse(out); !problem.empty()) return refuse(problem);
  return out;
}

caf::expected<label_selector> read_label_selector(const json::value& selector) {
  label_selector out;
  if (const auto* labels = object_at(selector, "matchLabels"))
    for (const auto& [key, value] : *labels)
      if (const auto* text = value.if_string())
        out.requirements.push_back({std::string{key}, selector_op::in, {std::string{*text}}});
  for (const auto& expression : list_at(selector, "matchExpressions")) {
    auto name = text_at(expression, "operator");
    auto row =
        std::find_if(expressions.begin(), expressions.end(), [&](const auto& r) { return r.name == name; });
    if (row == expressions.end())
      return make_error(errc::invalid,
                        "\"" + std::string{name} + "\" is not a valid label selector operator");
    label_requirement requirement{std::string{text_at(expression, "key")}, row->op, {}};
    for (const auto& value : list_at(expression, "values"))
      if (const auto* text = value.if_string()) requirement.values.emplace_back(*text);
    if (row->takes_values == requirement.values.empty())
      return make_error(errc::invalid, "values must be " + std::string{row->takes_values ? "given" : "empty"}
                                           + " for the operator " + std::string{name});
    out.requirements.push_back(std::move(requirement));
  }
  return out;
}

} // namespace podium::config
