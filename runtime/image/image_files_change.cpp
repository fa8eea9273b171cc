// Adding, naming and removing images; image_files.cpp has reading and unpacking.
#include "core/error.hpp"
#include "runtime/image/digest.hpp"
#include "runtime/image/image_files.hpp"
#include <algorithm>
#include <sys/stat.h>
#include <unordered_set>

namespace podium {

namespace fs = std::filesystem;

namespace {

void add_sorted(std::vector<std::string>& list, const std::string& text) {
  if (text.empty()) return;
  auto at = std::lower_bound(list.begin(), list.end(), text);
  if (at == list.end() || *at != text) list.insert(at, text);
}

bool has_digest(const image_record& image, const std::string& digest) {
  return image.manifest_digest == digest
         || std::any_of(image.digests.begin(), image.digests.end(),
                        [&](auto& d) { return d.ends_with("@" + digest); });
}

// Files with several names count once.
uint64_t tree_bytes(const fs::path& root) {
  uint64_t sum = 0;
  std::unordered_set<uint64_t> linked;
  std::error_code ec;
  for (fs::recursive_directory_iterator i{root, ec}, end; !ec && i != end; i.increment(ec)) {
    struct stat st {};
    if (::lstat(i->path().c_str(), &st) != 0 || !S_ISREG(st.st_mode)) continue;
    if (st.st_nlink == 1 || linked.insert(st.st_ino).second) sum += static_cast<uint64_t>(st.st_size);
  }
  return sum;
}

/// A layer's size is walked for once: its directory does not change.
std::optional<uint64_t> known_size(const std::vector<image_ptr>& images, const fs::path& directory) {
  for (auto& image : images)
    for (auto& layer : image->layers)
      if (layer.directory == directory) return layer.size_bytes;
  return {};
}

} // namespace

caf::error image_files::put(image_record image, const std::string& name) {
  auto before = images_;
  std::erase_if(images_, [&](auto& other) { return other->id == image.id; });
  // A name belongs to one image; the one that loses its last name stays until it is removed.
  for (auto& other : images_) {
    if (!std::binary_search(other->names.begin(), other->names.end(), name)) continue;
    auto changed = *other;
    std::erase(changed.names, name);
    other = std::make_shared<const image_record>(std::move(changed));
  }
  images_.push_back(std::make_shared<const image_record>(std::move(image)));
  auto err = save();
  if (err) images_ = std::move(before);
  return err;
}

caf::expected<image_ptr> image_files::add(const fs::path& copied, const std::string& name,
                                          const std::vector<std::string>& digests) {
  auto text = read_file(copied / "index.json", max_document_bytes);
  if (!text) return std::move(text.error());
  auto index = parse_layout_index(*text);
  if (!index) return std::move(index.error());
  if (index->size() != 1) return make_error(errc::image_pull, "the copied image is not one image");
  auto& manifest_digest = index->front().digest;
  auto image = describe(manifest_digest);
  if (!image) return std::move(image.error());
  auto manifest_text = read_blob(manifest_digest);
  if (!manifest_text) return std::move(manifest_text.error());
  auto manifest = parse_manifest(*manifest_text);
  if (!manifest) return std::move(manifest.error());
  if (auto err = unpack_missing(*image, *manifest)) return err;
  for (auto& layer : image->layers) {
    layer.size_bytes = known_size(images_, layer.directory).value_or(0);
    if (layer.size_bytes == 0) layer.size_bytes = tree_bytes(layer.directory);
    image->size_bytes += layer.size_bytes;
  }
  for (auto& known : images_) {
    if (known->id != image->id) continue;
    image->names = known->names;
    image->digests = known->digests;
  }
  add_sorted(image->names, name);
  for (auto& digest : digests)
    add_sorted(image->digests, digest);
  auto repository = digests.empty() ? std::string{} : digests.front().substr(0, digests.front().find('@'));
  if (repository.empty() && !name.empty()) repository = name.substr(0, name.rfind(':'));
  if (!repository.empty()) add_sorted(image->digests, repository + "@" + manifest_digest);
  if (auto err = put(std::move(*image), name)) return err;
  return images_.back();
}

caf::expected<image_ptr> image_files::name_known(const std::string& digest, const std::string& name,
                                                 const std::vector<std::string>& digests) {
  for (auto& known : images_) {
    if (!has_digest(*known, digest)) continue;
    auto changed = *known;
    add_sorted(changed.names, name);
    for (auto& d : digests)
      add_sorted(changed.digests, d);
    // Nothing new, nothing written: pulling what is there costs no disk access.
    if (changed.names == known->names && changed.digests == known->digests) return known;
    if (auto err = put(std::move(changed), name)) return err;
    return images_.back();
  }
  return make_error(errc::not_found, "there is no image with digest " + digest);
}

caf::expected<std::vector<fs::path>> image_files::remove(const std::string& id, bool collect_blobs) {
  auto before = images_;
  if (std::erase_if(images_, [&](auto& image) { return image->id == id; }) == 0)
    return make_error(errc::not_found, "there is no image " + id);
  // No index may name files that are gone: this change is on the disk before anything is deleted.
  auto err = save();
  if (!err && early_) err = write_out();
  if (!err && early_) err = settle(state());
  if (err) {
    images_ = std::move(before);
    return err;
  }
  return collect(collect_blobs);
}

// In one step each, so that a layer is never seen half removed.
std::vector<fs::path> image_files::collect(bool blobs) {
  std::unordered_set<std::string> keep;
  for (auto& image : images_) {
    for (auto& layer : image->layers)
      keep.insert(layer.directory.filename());
    for (auto& digest : image->blobs)
      keep.insert(digest.substr(digest.find(':') + 1));
  }
  std::vector<fs::path> moved;
  auto sweep = [&](const fs::path& dir) {
    std::error_code ec;
    std::vector<fs::path> gone;
    for (fs::directory_iterator i{dir, ec}, end; !ec && i != end; i.increment(ec))
      if (!keep.contains(i->path().filename())) gone.push_back(i->path());
    for (auto& path : gone) {
      auto away = temporary("removed");
      fs::rename(path, away, ec);
      moved.push_back(ec ? path : away);
    }
  };
  sweep(settings_.root / "layers");
  if (blobs) sweep(settings_.root / "blobs" / "sha256");
  return moved;
}

} // namespace podium
