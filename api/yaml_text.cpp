#include "api/yaml_text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <vector>

namespace podium::api {
namespace {

namespace json = boost::json;

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// What YAML 1.1 reads as a boolean or as nothing.
bool is_word_of_yaml(std::string_view text) {
  constexpr std::array words{"y", "n", "yes", "no", "on", "off", "true", "false", "null"};
  auto same = [&](std::string_view word) {
    return word.size() == text.size()
           && std::equal(word.begin(), word.end(), text.begin(),
                         [](char a, char b) { return a == (b | 0x20); });
  };
  return std::any_of(words.begin(), words.end(), same);
}

/// Starts with a letter or a slash and holds nothing that has a meaning.
bool is_plain(std::string_view text) {
  if (text.empty() || (!is_letter(text.front()) && text.front() != '/') || is_word_of_yaml(text))
    return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '/' || c == '.' || c == '-' || c == '_';
  });
}

/// What JSON lets stand as it is, and YAML does not: no character of a text, or the end of a line.
struct forbidden_range {
  std::string_view first, last; ///< UTF-8, of one length
};
constexpr std::array forbidden_ranges{
    forbidden_range{"\x7f", "\x7f"}, forbidden_range{"\xc2\x80", "\xc2\x9f"},
    forbidden_range{"\xe2\x80\xa8", "\xe2\x80\xa9"}, forbidden_range{"\xef\xbb\xbf", "\xef\xbb\xbf"},
    forbidden_range{"\xef\xbf\xbe", "\xef\xbf\xbf"}};

/// The bytes that the character at the beginning of `text` has if it is one of them; 0: it is none.
size_t forbidden_bytes(std::string_view text) {
  for (auto& range : forbidden_ranges) {
    auto here = text.substr(0, range.first.size());
    if (here.size() == range.first.size() && here >= range.first && here <= range.last) return here.size();
  }
  return 0;
}

unsigned code_point(std::string_view utf8) {
  auto at = [&](size_t i) { return static_cast<unsigned char>(utf8[i]); };
  if (utf8.size() == 1) return at(0);
  if (utf8.size() == 2) return (at(0) & 0x1fu) << 6 | (at(1) & 0x3fu);
  return (at(0) & 0x0fu) << 12 | (at(1) & 0x3fu) << 6 | (at(2) & 0x3fu);
}

/// In quotes, as JSON writes it, which YAML reads the same.
std::string quoted(const json::string& text) {
  std::string out;
  auto plain = json::serialize(text);
  for (std::string_view rest = plain; !rest.empty();) {
    auto bytes = forbidden_bytes(rest);
    if (bytes != 0) {
      std::array<char, 8> escape{};
      std::snprintf(escape.data(), escape.size(), "\\u%04x", code_point(rest.substr(0, bytes)));
      out += escape.data();
    } else {
      out += rest.front();
    }
    rest.remove_prefix(std::max<size_t>(bytes, 1));
  }
  return out;
}

std::string scalar(const json::value& value) {
  auto* text = value.if_string();
  if (!text) return json::serialize(value);
  return is_plain(*text) ? std::string(*text) : quoted(*text);
}

class writer {
public:
  void put(const json::value& value, size_t indent, bool in_line) {
    if (auto* object = value.if_object(); object && !object->empty())
      return put_members(*object, indent, in_line);
    if (auto* list = value.if_array(); list && !list->empty()) return put_items(*list, indent, in_line);
    out_ += scalar(value) + "\n";
  }
  std::string take() { return std::move(out_); }

private:
  /// `in_line`: the first line has its indentation already.
  void put_members(const json::object& object, size_t indent, bool in_line) {
    std::vector<std::string_view> keys;
    for (auto& member : object)
      keys.push_back(member.key());
    std::sort(keys.begin(), keys.end());
    for (auto key : keys) {
      start_line(indent, in_line);
      out_ += scalar(json::value(key)) + ":";
      auto& value = object.at(key);
      bool is_list = value.is_array() && !value.get_array().empty();
      bool is_block = is_list || (value.is_object() && !value.get_object().empty());
      out_ += is_block ? "\n" : " ";
      put(value, is_list ? indent : indent + 2, false);
    }
  }
  void put_items(const json::array& list, size_t indent, bool in_line) {
    for (auto& item : list) {
      start_line(indent, in_line);
      out_ += "- ";
      put(item, indent + 2, true);
    }
  }
  void start_line(size_t indent, bool& in_line) {
    if (!in_line) out_.append(indent, ' ');
    in_line = false;
  }

  std::string out_;
};

} // namespace

std::string to_yaml(const json::value& value) {
  writer w;
  w.put(value, 0, false);
  return w.take();
}

} // namespace podium::api
