// An image layer: the archive as it comes, plain or compressed. Whatever is in it, nothing outside the
// directory that it is unpacked to is touched, and bounds hold.
#include "fuzz_input.hpp"
#include "runtime/image/digest.hpp"
#include "runtime/image/layer_unpack.hpp"
#include "runtime/image/rooted_tree.hpp"

#include <fstream>
#include <set>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

using namespace podium;

namespace {

namespace fs = std::filesystem;

constexpr unpack_limits limits{.layer_bytes = 1 << 20, .entries = 2'000};

/// In memory where there is such a place: thousands of runs a second are wanted.
fs::path make_room() {
  std::error_code ec;
  auto parent = fs::is_directory("/dev/shm", ec) ? fs::path{"/dev/shm"} : fs::temp_directory_path();
  auto name = (parent / "podium-layer-fuzz-XXXXXX").string();
  fuzz::require(::mkdtemp(name.data()) != nullptr, "a directory can be made");
  return name;
}

void write(const fs::path& file, std::string_view text) {
  std::ofstream out{file, std::ios::binary | std::ios::trunc};
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
}

/// Names, kinds, modes and sizes of all below a directory, but for what lies in `work`.
std::set<std::string> outside(const fs::path& room) {
  std::set<std::string> out;
  for (fs::recursive_directory_iterator i{room}, end; i != end; ++i) {
    struct stat st {};
    ::lstat(i->path().c_str(), &st);
    auto inside = i->path().filename() == "work" && i.depth() == 0;
    if (inside) i.disable_recursion_pending();
    out.insert(i->path().string() + " " + std::to_string(st.st_mode) + " "
               + std::to_string(inside ? 0 : st.st_size) + " " + std::to_string(st.st_nlink * !inside));
  }
  return out;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes{reinterpret_cast<const char*>(data), size};
  auto room = make_room();
  fs::create_directory(room / "work");
  fs::create_directory(room / "neighbour");
  write(room / "neighbour/secret", "untouched");
  write(room / "blob", bytes);
  auto before = outside(room);
  auto unpacked = unpack_layer(room / "blob", digest_of(bytes), room / "work", limits);
  fuzz::require(outside(room) == before, "nothing outside is touched");
  for (auto& entry : fs::directory_iterator{room / "work"}) {
    auto name = entry.path().filename();
    fuzz::require(name == "diff" || name == "trash", "only the layer's own directories are made");
  }
  if (unpacked)
    fuzz::require(unpacked->file_bytes <= limits.layer_bytes && unpacked->entries <= limits.entries,
                  "bounds hold");
  if (auto path = clean_archive_path(bytes)) {
    auto again = clean_archive_path(*path);
    fuzz::require(again && *again == *path && !path->starts_with('/'), "a clean path stays as it is");
  }
  std::error_code ec;
  fs::remove_all(room, ec);
  fuzz::require(!ec, "what was unpacked can be removed");
  return 0;
}
