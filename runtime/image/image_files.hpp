// The store's files: blobs, unpacked layers, the index. All of it blocks; one caller at a time (a
// serial_queue's jobs).
#pragma once
#include "runtime/image/image_record.hpp"
#include "runtime/image/image_settings.hpp"
#include "runtime/image/manifest.hpp"
#include <atomic>
#include <caf/expected.hpp>
#include <set>

namespace podium {

/// Layout below the root: images.json (what there is), images.early.json (what there is, while not all of it
/// is on the disk: it holds for the boot it names; after a power cut images.json holds), blobs/sha256/<hex>,
/// layers/<first 32 hex digits of the diff id>, tmp/ (what is not finished; emptied at the start). An image
/// exists once images.json names it: files come first, and a process killed at any point leaves only files
/// that the next start removes.
class image_files {
public:
  explicit image_files(image_settings settings);

  /// Makes the directories, removes leftovers and reads the index. Images whose files are gone are dropped.
  caf::error open();
  /// Takes what skopeo copied into the layout `copied`: checks every digest, unpacks the layers that are not
  /// there yet and adds the image under `name` and `digests` (texts; either may be empty). A name moves from
  /// the image that had it.
  caf::expected<image_ptr> add(const std::filesystem::path& copied, const std::string& name,
                               const std::vector<std::string>& digests);
  /// Gives a known image (by any of its digests' "sha256:…") another name. errc::not_found when there is
  /// none.
  caf::expected<image_ptr> name_known(const std::string& digest, const std::string& name,
                                      const std::vector<std::string>& digests);
  /// Removes an image, and takes the layers and, when `collect_blobs`, the blobs that no other image needs
  /// out of the way: gives the paths that are left to delete. Errors: errc::not_found, errc::io.
  caf::expected<std::vector<std::filesystem::path>> remove(const std::string& id, bool collect_blobs);

  /// What there was at one time.
  struct index_state {
    uint64_t generation = 0;
    std::vector<image_ptr> images;
  };
  index_state state() const { return {generation_, images_}; }
  /// True while a power cut would lose changes.
  bool early() const { return early_; }
  /// Brings all files to the disk. Any thread; blocks for as long as the disk takes.
  caf::error write_out() const;
  /// Makes the index durable for a state whose files were written out since.
  caf::error settle(const index_state& written);

  const std::vector<image_ptr>& images() const { return images_; }
  /// A directory of its own below tmp/ for unfinished work; any thread.
  std::filesystem::path temporary(const char* what);
  std::filesystem::path blob_path(const std::string& digest) const;
  std::filesystem::path layer_path(const std::string& diff_id) const;
  std::filesystem::path blobs() const { return settings_.root / "blobs"; }
  const image_settings& settings() const { return settings_; }

private:
  caf::expected<std::string> read_blob(const std::string& digest) const;
  caf::expected<image_record> describe(const std::string& manifest_digest) const;
  caf::error unpack_missing(image_record& image, const image_manifest& manifest);
  caf::error put(image_record image, const std::string& name);
  caf::error save();
  void load();
  bool load_index(const char* name, const std::string& boot);
  std::vector<std::filesystem::path> collect(bool blobs);

  image_settings settings_;
  std::vector<image_ptr> images_;
  uint64_t generation_ = 0; ///< of images_, counted by changes
  bool early_ = false;      ///< images.early.json holds
  std::atomic<unsigned> next_temporary_{0};
};

} // namespace podium
