#include "corpus.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace podium::test {
namespace {

/// "<x 131072 times>" is that many of them.
std::string expanded(std::string line) {
  auto at = line.find("<x ");
  auto end = line.find(" times>");
  if (at == std::string::npos || end == std::string::npos) return line;
  auto count = std::stoul(line.substr(at + 3, end - at - 3));
  return line.substr(0, at) + std::string(count, 'x') + line.substr(end + 7);
}

} // namespace

std::vector<corpus_case> read_corpus(const std::string& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator{PODIUM_SOURCE_DIR "/" + folder})
    if (entry.path().extension() == ".txt") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<corpus_case> out;
  for (const auto& file : files) {
    std::ifstream in{file};
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with("### ")) {
        out.push_back({file.filename().string(), line.substr(4), {}, {}});
      } else if (out.empty()) {
        continue;
      } else if (line.starts_with("#! ") && out.back().text.empty()) {
        out.back().expected.push_back(line.substr(3));
      } else {
        out.back().text += expanded(std::move(line)) + "\n";
      }
    }
  }
  return out;
}

bool matches_pattern(std::string_view text, std::string_view pattern) {
  constexpr std::string_view any = "…";
  auto end = pattern.find(any);
  if (end == std::string_view::npos) return text == pattern;
  if (!text.starts_with(pattern.substr(0, end))) return false;
  text.remove_prefix(end);
  for (pattern.remove_prefix(end + any.size());; pattern.remove_prefix(end + any.size())) {
    end = pattern.find(any);
    if (end == std::string_view::npos) return text.ends_with(pattern);
    auto at = text.find(pattern.substr(0, end));
    if (at == std::string_view::npos) return false;
    text.remove_prefix(at + end);
  }
}

std::string one_line(std::string_view text) {
  std::string out;
  for (char c : text)
    if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else
      out += c;
  return out;
}

} // namespace podium::test
