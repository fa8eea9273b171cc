#include "runtime/image/image_files.hpp"
#include "core/error.hpp"
#include "runtime/image/digest.hpp"
#include "runtime/process/unique_fd.hpp"
#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace podium {

namespace fs = std::filesystem;
namespace {

caf::error broken(std::string text) {
  return make_error(errc::image_pull, std::move(text));
}

std::string hex_of(const std::string& digest) {
  return digest.substr(digest.find(':') + 1);
}

} // namespace

std::string image_record::repo_digest(const std::string& name) const {
  auto repository = name.substr(0, name.find('@'));
  if (auto colon = repository.rfind(':');
      colon != repository.npos && repository.find('/', colon) == repository.npos)
    repository.resize(colon);
  for (auto& d : digests)
    if (d.starts_with(repository + "@")) return d;
  return digests.empty() ? id : digests.front();
}

image_files::image_files(image_settings settings) : settings_(std::move(settings)) {}

fs::path image_files::blob_path(const std::string& digest) const {
  return settings_.root / "blobs" / "sha256" / hex_of(digest);
}

// Short, since the kernel bounds the text of all lower directories of a mount; 128 bits are far from a
// collision.
fs::path image_files::layer_path(const std::string& diff_id) const {
  return settings_.root / "layers" / hex_of(diff_id).substr(0, 32);
}

fs::path image_files::temporary(const char* what) {
  return settings_.root / "tmp" / (std::string{what} + "-" + std::to_string(next_temporary_++));
}

caf::error image_files::open() {
  if (settings_.root.string().find(':') != std::string::npos)
    return make_error(errc::invalid,
                      "the image store's path must not contain ':': " + settings_.root.string());
  std::error_code ec;
  fs::remove_all(settings_.root / "tmp", ec);
  for (auto* dir : {"tmp", "layers", "blobs/sha256"}) {
    fs::create_directories(settings_.root / dir, ec);
    if (ec) return errno_error("cannot make " + (settings_.root / dir).string(), ec.value());
  }
  fs::permissions(settings_.root, fs::perms::owner_all, ec);
  load();
  for (auto& path : collect(true))
    fs::remove_all(path, ec);
  return {};
}

caf::expected<std::string> image_files::read_blob(const std::string& digest) const {
  auto text = read_file(blob_path(digest), max_document_bytes);
  if (!text) return broken("the store has lost the blob " + digest);
  if (auto actual = digest_of(*text); actual != digest) {
    std::error_code ec;
    fs::remove(blob_path(digest), ec);
    return broken("blob " + digest + " is corrupt: its content has digest " + actual);
  }
  return text;
}

caf::expected<image_record> image_files::describe(const std::string& manifest_digest) const {
  auto manifest_text = read_blob(manifest_digest);
  if (!manifest_text) return std::move(manifest_text.error());
  auto manifest = parse_manifest(*manifest_text);
  if (!manifest) return std::move(manifest.error());
  auto config_text = read_blob(manifest->config.digest);
  if (!config_text) return std::move(config_text.error());
  auto document = parse_image_document(*config_text);
  if (!document) return std::move(document.error());
  if (document->diff_ids.size() != manifest->layers.size())
    return broken("the image's manifest and configuration do not agree on the number of layers");
  image_record image;
  image.id = manifest->config.digest;
  image.manifest_digest = manifest_digest;
  image.config = std::move(document->config);
  image.blobs = {manifest_digest, image.id};
  for (size_t i = 0; i < manifest->layers.size(); ++i) {
    image.blobs.push_back(manifest->layers[i].digest);
    image.layers.push_back(
        {.diff_id = document->diff_ids[i], .directory = layer_path(document->diff_ids[i])});
  }
  return image;
}

// Unpacks into tmp/, and gives the layers their names once all are whole.
caf::error image_files::unpack_missing(image_record& image, const image_manifest& manifest) {
  std::vector<std::pair<fs::path, fs::path>> finished;
  std::error_code ec;
  for (size_t i = 0; i < image.layers.size(); ++i) {
    auto& layer = image.layers[i];
    auto same = [&](auto& pair) { return pair.second == layer.directory; };
    if (fs::exists(layer.directory, ec) || std::any_of(finished.begin(), finished.end(), same)) continue;
    auto work = temporary("layer");
    fs::create_directory(work, ec);
    if (ec) return errno_error("cannot make " + work.string(), ec.value());
    auto& digest = manifest.layers[i].digest;
    auto unpacked = unpack_layer(blob_path(digest), digest, work, settings_.limits);
    if (!unpacked) {
      fs::remove_all(work, ec);
      if (message_of(unpacked.error()).find("is corrupt") != std::string::npos)
        fs::remove(blob_path(digest), ec);
      return std::move(unpacked.error());
    }
    if (unpacked->diff_id != layer.diff_id) {
      fs::remove_all(work, ec);
      return broken("layer " + digest + " unpacks to " + unpacked->diff_id
                    + ", the image's configuration says " + layer.diff_id);
    }
    fs::remove_all(work / "trash", ec);
    finished.emplace_back(work / "diff", layer.directory);
  }
  for (auto& [from, to] : finished) {
    if (::rename(from.c_str(), to.c_str()) != 0) return errno_error("cannot make " + to.string(), errno);
    fs::remove_all(from.parent_path(), ec);
  }
  return {};
}

} // namespace podium
