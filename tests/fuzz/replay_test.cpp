// Every input that a fuzzer has ever stumbled over, given again to the function it was found with, and a
// short run of each target over changed inputs, the same ones every time. The inputs lie in corpus/NAME_fuzz;
// whoever mends what a fuzzer found keeps its input there. ./dev fuzz runs the fuzzers themselves.
#include "core/random.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#define FUZZ_TARGET(name) extern "C" int name(const uint8_t* data, size_t size);
#include "fuzz_targets.inc"
#undef FUZZ_TARGET

using namespace podium;
using namespace std::string_view_literals;

namespace {

namespace fs = std::filesystem;

fs::path corpus() {
  return fs::path{PODIUM_SOURCE_DIR} / "tests/fuzz/corpus";
}

std::set<fs::path> entries_of(const fs::path& directory) {
  std::set<fs::path> out;
  for (auto& entry : fs::directory_iterator{directory})
    out.insert(entry.path());
  return out;
}

std::vector<uint8_t> bytes_of(const fs::path& file) {
  std::ifstream in{file, std::ios::binary};
  BOOST_REQUIRE_MESSAGE(in, file.string());
  return {std::istreambuf_iterator<char>{in}, {}};
}

/// A broken property ends the program (abort); Boost.Test reports it with the checkpoint, which names the
/// input.
void replay(const char* name, int (*target)(const uint8_t*, size_t)) {
  auto inputs = entries_of(corpus() / name);
  BOOST_TEST(!inputs.empty(), "no inputs are kept for " << name);
  inputs.insert(""); // every target is given nothing, too
  for (auto& file : inputs) {
    BOOST_TEST_CHECKPOINT(file.string());
    auto bytes = file.empty() ? std::vector<uint8_t>{} : bytes_of(file);
    BOOST_TEST(target(bytes.data(), bytes.size()) == 0, file.string());
  }
}

using bytes = std::vector<uint8_t>;

/// One small change, as fuzzers make them.
void change(bytes& text, const std::vector<bytes>& others, random_stream& random) {
  static constexpr std::string_view telling = "\0\xff\x7f\x80{}[]\":,&*%/~-+.\n\r\t 019aeE\\#|>'!?=;"sv;
  auto at = random.below(text.size() + 1);
  auto length = std::min<uint64_t>(text.size() - at, 1 + random.below(16));
  auto begin = text.begin() + static_cast<std::ptrdiff_t>(at);
  auto end = begin + static_cast<std::ptrdiff_t>(length);
  switch (random.below(7)) {
  case 0:
    if (length > 0) *begin ^= static_cast<uint8_t>(1u << random.below(8));
    break;
  case 1:
    text.insert(begin, static_cast<uint8_t>(telling[random.below(telling.size())]));
    break;
  case 2:
    text.erase(begin, end);
    break;
  case 3: { // the same again, up to a hundred times
    bytes piece(begin, end), all;
    for (auto left = 1 + random.below(100); left > 0; --left)
      all.insert(all.end(), piece.begin(), piece.end());
    text.insert(text.begin() + static_cast<std::ptrdiff_t>(at), all.begin(), all.end());
    break;
  }
  case 4: { // the end of another
    auto& other = others[random.below(others.size())];
    auto from = random.below(other.size() + 1);
    text.erase(begin, text.end());
    text.insert(text.end(), other.begin() + static_cast<std::ptrdiff_t>(from), other.end());
    break;
  }
  case 5:
    std::fill(begin, end, static_cast<uint8_t>(random.below(256)));
    break;
  default:
    text.resize(at);
  }
}

/// A cheap stand-in for the fuzzer in every test run.
void run_shortly(const char* name, int (*target)(const uint8_t*, size_t)) {
  constexpr int runs = 1500;
  constexpr size_t longest = 16 * 1024;
  std::vector<bytes> kept{{}};
  for (auto& file : entries_of(corpus() / name))
    kept.push_back(bytes_of(file));
  random_stream random{fnv1a(name)};
  for (int i = 0; i < runs; ++i) {
    auto text = kept[random.below(kept.size())];
    for (auto left = 1 + random.below(6); left > 0; --left)
      change(text, kept, random);
    if (text.size() > longest) text.resize(longest);
    // The input is lost when the target aborts, its number is not: it is the same in every run.
    BOOST_TEST_CHECKPOINT(name << ": changed input " << i);
    BOOST_TEST(target(text.data(), text.size()) == 0);
  }
}

} // namespace

BOOST_AUTO_TEST_SUITE(fuzz_suite)

#define FUZZ_TARGET(name)                                                                                    \
  BOOST_AUTO_TEST_CASE(name) {                                                                               \
    replay(#name, ::name);                                                                                   \
  }
#include "fuzz_targets.inc"
#undef FUZZ_TARGET

#define FUZZ_TARGET(name)                                                                                    \
  BOOST_AUTO_TEST_CASE(short_run_of_##name) {                                                                \
    run_shortly(#name, ::name);                                                                              \
  }
#include "fuzz_targets.inc"
#undef FUZZ_TARGET

BOOST_AUTO_TEST_CASE(every_kept_input_has_its_target) {
  std::set<std::string> targets;
#define FUZZ_TARGET(name) targets.insert(#name);
#include "fuzz_targets.inc"
#undef FUZZ_TARGET
  for (auto& directory : entries_of(corpus()))
    BOOST_TEST(targets.contains(directory.filename().string()), directory.string());
}

BOOST_AUTO_TEST_SUITE_END()
