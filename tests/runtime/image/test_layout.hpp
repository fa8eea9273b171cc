// Makes layers and OCI layouts for tests, good ones and evil ones.
#pragma once
#include "runtime/image/digest.hpp"
#include <archive.h>
#include <archive_entry.h>
#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace podium::test {

namespace fs = std::filesystem;

/// A directory of its own, removed with all that is in it.
struct temporary_directory {
  temporary_directory() {
    std::string name = (fs::temp_directory_path() / "podium-image-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~temporary_directory() {
    std::error_code ec;
    fs::remove_all(path, ec);
  }
  fs::path path;
};

inline void write_file(const fs::path& file, std::string_view text) {
  std::ofstream out{file, std::ios::binary | std::ios::trunc};
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
}

inline std::string slurp(const fs::path& file) {
  std::ifstream in{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

struct tar_item {
  std::string path;
  unsigned type = AE_IFREG;
  std::string content; // or a link's target
  unsigned mode = 0644;
  int64_t uid = 0, gid = 0;
  bool hard_link = false;
  int major = 0, minor = 0;
  std::map<std::string, std::string> xattrs = {};
};

inline tar_item file(std::string path, std::string content = "x", unsigned mode = 0644) {
  return {.path = std::move(path), .content = std::move(content), .mode = mode};
}
inline tar_item dir(std::string path, unsigned mode = 0755) {
  return {.path = std::move(path), .type = AE_IFDIR, .content = {}, .mode = mode};
}
inline tar_item soft(std::string path, std::string target) {
  return {.path = std::move(path), .type = AE_IFLNK, .content = std::move(target), .mode = 0777};
}
inline tar_item hard(std::string path, std::string target) {
  return {.path = std::move(path), .content = std::move(target), .hard_link = true};
}

inline la_ssize_t append(archive*, void* out, const void* data, size_t n) {
  static_cast<std::string*>(out)->append(static_cast<const char*>(data), n);
  return static_cast<la_ssize_t>(n);
}

inline std::string compress(const std::string& text) {
  std::string out;
  auto* a = archive_write_new();
  archive_write_set_format_raw(a);
  archive_write_add_filter_gzip(a);
  archive_write_open(a, &out, nullptr, append, nullptr);
  auto* e = archive_entry_new();
  archive_entry_set_filetype(e, AE_IFREG);
  archive_write_header(a, e);
  archive_write_data(a, text.data(), text.size());
  archive_entry_free(e);
  archive_write_close(a);
  archive_write_free(a);
  return out;
}

inline std::string make_tar(const std::vector<tar_item>& items, bool gzip) {
  std::string out;
  auto* a = archive_write_new();
  archive_write_set_format_pax_restricted(a);
  archive_write_open(a, &out, nullptr, append, nullptr);
  for (auto& item : items) {
    auto* e = archive_entry_new();
    archive_entry_set_pathname(e, item.path.c_str());
    archive_entry_set_filetype(e, item.type);
    archive_entry_set_perm(e, static_cast<mode_t>(item.mode));
    archive_entry_set_uid(e, item.uid);
    archive_entry_set_gid(e, item.gid);
    archive_entry_set_mtime(e, 1'000'000'000, 0);
    for (auto& [name, value] : item.xattrs)
      archive_entry_xattr_add_entry(e, name.c_str(), value.data(), value.size());
    bool data = item.type == AE_IFREG && !item.hard_link;
    if (item.hard_link) archive_entry_set_hardlink(e, item.content.c_str());
    if (item.type == AE_IFLNK) archive_entry_set_symlink(e, item.content.c_str());
    if (item.type == AE_IFCHR || item.type == AE_IFBLK) {
      archive_entry_set_rdevmajor(e, static_cast<dev_t>(item.major));
      archive_entry_set_rdevminor(e, static_cast<dev_t>(item.minor));
    }
    archive_entry_set_size(e, data ? static_cast<int64_t>(item.content.size()) : 0);
    archive_write_header(a, e);
    if (data) archive_write_data(a, item.content.data(), item.content.size());
    archive_entry_free(e);
  }
  archive_write_close(a);
  archive_write_free(a);
  return gzip ? compress(out) : out;
}

/// A layout that grows image by image.
class layout {
public:
  explicit layout(fs::path where) : path(std::move(where)) {
    fs::create_directories(path / "blobs/sha256");
    write_file(path / "oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
  }

  struct made_image {
    std::string manifest, config;
    std::vector<std::string> layers;
  };

  fs::path blob_path(const std::string& digest) const { return path / "blobs/sha256" / digest.substr(7); }

  std::string blob(const std::string& content) {
    auto digest = digest_of(content);
    write_file(blob_path(digest), content);
    return digest;
  }

  /// `config` is the "config" object; a wrong `diff_id` can be given for the first layer.
  made_image add(const std::string& name, const std::vector<std::vector<tar_item>>& layers,
                 const boost::json::object& config = {}, const std::string& diff_id = {}) {
    made_image made;
    boost::json::array descriptors, diffs;
    for (auto& items : layers) {
      auto packed = make_tar(items, true);
      made.layers.push_back(blob(packed));
      descriptors.push_back({{"mediaType", "application/vnd.oci.image.layer.v1.tar+gzip"},
                             {"digest", made.layers.back()},
                             {"size", packed.size()}});
      auto id = digest_of(make_tar(items, false));
      diffs.push_back(boost::json::string(diffs.empty() && !diff_id.empty() ? diff_id : id));
    }
    auto config_text =
        boost::json::serialize(boost::json::object{{"architecture", "amd64"},
                                                   {"os", "linux"},
                                                   {"config", config},
                                                   {"rootfs", {{"type", "layers"}, {"diff_ids", diffs}}}});
    made.config = blob(config_text);
    auto manifest = boost::json::serialize(
        boost::json::object{{"schemaVersion", 2},
                            {"mediaType", "application/vnd.oci.image.manifest.v1+json"},
                            {"config",
                             {{"mediaType", "application/vnd.oci.image.config.v1+json"},
                              {"digest", made.config},
                              {"size", config_text.size()}}},
                            {"layers", descriptors}});
    made.manifest = blob(manifest);
    boost::json::array kept;
    for (auto& m : manifests_)
      if (m.at("annotations").at("org.opencontainers.image.ref.name").as_string() != name) kept.push_back(m);
    manifests_ = kept;
    manifests_.push_back({{"mediaType", "application/vnd.oci.image.manifest.v1+json"},
                          {"digest", made.manifest},
                          {"size", manifest.size()},
                          {"annotations", {{"org.opencontainers.image.ref.name", name}}}});
    write_file(path / "index.json",
               boost::json::serialize(boost::json::object{{"schemaVersion", 2}, {"manifests", manifests_}}));
    return made;
  }

  fs::path path;

private:
  boost::json::array manifests_;
};

} // namespace podium::test
