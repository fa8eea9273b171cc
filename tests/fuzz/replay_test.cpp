// Every input that a fuzzer has ever stumbled over, given again to the function it was found with. The inputs
// lie in corpus/NAME_fuzz; whoever mends what a fuzzer found keeps its input there.
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

} // namespace

BOOST_AUTO_TEST_SUITE(fuzz_suite)

#define FUZZ_TARGET(name)                                                                                    \
  BOOST_AUTO_TEST_CASE(name) {                                                                               \
    replay(#name, ::name);                                                                                   \
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
