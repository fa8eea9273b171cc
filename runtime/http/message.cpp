#include "runtime/http/message.hpp"

#include <algorithm>

namespace podium {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::string_view trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t'))
    s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t'))
    s.remove_suffix(1);
  return s;
}

/// Calls f with every non-empty item; stops when f says true, and says so.
template <class F>
bool any_item(std::string_view value, F f) {
  while (!value.empty()) {
    auto comma = value.find(',');
    auto item = trim(value.substr(0, comma));
    if (!item.empty() && f(item)) return true;
    value = comma == value.npos ? std::string_view{} : value.substr(comma + 1);
  }
  return false;
}

} // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

bool has_token(std::string_view value, std::string_view token) {
  return any_item(value, [&](std::string_view item) { return equal_ignoring_case(item, token); });
}

std::vector<std::string> split_list(std::string_view value) {
  std::vector<std::string> result;
  any_item(value, [&](std::string_view item) {
    result.emplace_back(item);
    return false;
  });
  return result;
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string result;
  result.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      auto high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      result.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    } else {
      result.push_back(plus_is_space && text[i] == '+' ? ' ' : text[i]);
    }
  }
  return result;
}

std::optional<bool> parse_go_bool(std::string_view text) {
  for (auto yes : {"1", "t", "T", "true", "TRUE", "True"})
    if (text == yes) return true;
  for (auto no : {"0", "f", "F", "false", "FALSE", "False"})
    if (text == no) return false;
  return std::nullopt;
}

void http_headers::add(std::string_view name, std::string_view value) {
  entries_.push_back({static_cast<uint32_t>(text_.size()), static_cast<uint32_t>(name.size()),
                      static_cast<uint32_t>(value.size())});
  text_.append(name).append(value);
}

std::pair<std::string_view, std::string_view> http_headers::at(size_t i) const {
  auto& e = entries_[i];
  std::string_view all = text_;
  return {all.substr(e.name, e.name_size), all.substr(e.name + e.name_size, e.value_size)};
}

std::optional<std::string_view> http_headers::find(std::string_view name) const {
  for (size_t i = 0; i < entries_.size(); ++i)
    if (entries_[i].name_size == name.size())
      if (auto [key, value] = at(i); equal_ignoring_case(key, name)) return value;
  return std::nullopt;
}

std::vector<std::string_view> http_headers::get_all(std::string_view name) const {
  std::vector<std::string_view> result;
  for (size_t i = 0; i < entries_.size(); ++i)
    if (auto [key, value] = at(i); equal_ignoring_case(key, name)) result.push_back(value);
  return result;
}

std::optional<http_query> http_query::parse(std::string_view text) {
  http_query result;
  while (!text.empty()) {
    auto end = text.find('&');
    auto part = text.substr(0, end);
    text = end == text.npos ? std::string_view{} : text.substr(end + 1);
    if (part.empty()) continue;
    auto equals = part.find('=');
    auto name = percent_decode(part.substr(0, equals), true);
    auto value = percent_decode(equals == part.npos ? std::string_view{} : part.substr(equals + 1), true);
    if (!name || !value) return std::nullopt;
    result.pairs_.emplace_back(std::move(*name), std::move(*value));
  }
  return result;
}

std::optional<std::string_view> http_query::get(std::string_view name) const {
  for (auto& [key, value] : pairs_)
    if (key == name) return value;
  return std::nullopt;
}

std::vector<std::string_view> http_query::get_all(std::string_view name) const {
  std::vector<std::string_view> result;
  for (auto& [key, value] : pairs_)
    if (key == name) result.push_back(value);
  return result;
}

bool http_query::flag(std::string_view name) const {
  auto value = get(name);
  return value && parse_go_bool(*value).value_or(false);
}

bool http_request::wants_upgrade(std::string_view protocol) const {
  return is_upgrade && has_token(headers.get("Upgrade"), protocol);
}

} // namespace podium
