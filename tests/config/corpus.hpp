// The corpus: texts with the answers they are to get, one after the other in a file. See
// tests/config/corpus/README.md.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace podium::test {

struct corpus_case {
  std::string file;
  std::string title;
  std::vector<std::string> expected; ///< the lines that began with "#!"
  std::string text;
};

/// All cases of the files below `folder` (in the source tree), in order of their names.
std::vector<corpus_case> read_corpus(const std::string& folder);

/// True if `text` is `pattern`, in which each "…" stands for any text.
bool matches_pattern(std::string_view text, std::string_view pattern);

/// With line ends, tabs and backslashes as two letters each.
std::string one_line(std::string_view text);

} // namespace podium::test
