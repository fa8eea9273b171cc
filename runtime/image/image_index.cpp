// The index of what there is: one that a power cut leaves right, and one for the time until the disk has all.
#include "core/error.hpp"
#include "runtime/image/digest.hpp"
#include "runtime/image/image_files.hpp"
#include "runtime/process/unique_fd.hpp"
#include <boost/json.hpp>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace podium {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

constexpr size_t max_index_bytes = 64 << 20;
constexpr const char *durable_index = "images.json", *early_index = "images.early.json";

/// The same from boot to power cut: what was written in this boot is in the page cache, on the disk or not.
std::string boot_id() {
  auto text = read_file("/proc/sys/kernel/random/boot_id", 64);
  return text ? *text : std::string{};
}

/// Replaces the file in one step: readers find the old text or the new one; a power cut does too when it is
/// `durable`.
caf::error replace_file(const fs::path& file, std::string_view text, bool durable) {
  auto temporary = file.string() + ".new";
  unique_fd fd{::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
  if (!fd) return errno_error("cannot write " + temporary, errno);
  while (!text.empty()) {
    auto n = ::write(fd.get(), text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("cannot write " + temporary, errno);
    text.remove_prefix(static_cast<size_t>(n));
  }
  if (durable && ::fsync(fd.get()) != 0) return errno_error("cannot write " + temporary, errno);
  if (::rename(temporary.c_str(), file.c_str()) != 0)
    return errno_error("cannot write " + file.string(), errno);
  if (!durable) return {};
  unique_fd dir{::open(file.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (dir) ::fsync(dir.get());
  return {};
}

std::vector<std::string> texts(const json::value& v) {
  std::vector<std::string> result;
  for (auto& item : v.as_array())
    result.emplace_back(item.as_string().c_str());
  return result;
}

json::object index_of(const std::vector<image_ptr>& images) {
  json::array list;
  for (auto& image : images) {
    json::array sizes;
    for (auto& layer : image->layers)
      sizes.push_back(layer.size_bytes);
    list.push_back({{"manifest", image->manifest_digest},
                    {"names", json::array(image->names.begin(), image->names.end())},
                    {"digests", json::array(image->digests.begin(), image->digests.end())},
                    {"layerBytes", sizes}});
  }
  return {{"version", 1}, {"images", list}};
}

} // namespace

void image_files::load() {
  images_.clear();
  // An index of an earlier boot speaks of files that may never have reached the disk.
  early_ = load_index(early_index, boot_id());
  if (early_) return;
  std::error_code ec;
  fs::remove(settings_.root / early_index, ec);
  load_index(durable_index, {});
}

bool image_files::load_index(const char* name, const std::string& boot) {
  auto text = read_file(settings_.root / name, max_index_bytes);
  if (!text) return false;
  try {
    auto doc = json::parse(*text);
    if (!boot.empty() && doc.at("bootID").as_string() != boot) return false;
    for (auto& item : doc.at("images").as_array()) {
      auto image = describe(item.at("manifest").as_string().c_str());
      if (!image) continue;
      image->names = texts(item.at("names"));
      image->digests = texts(item.at("digests"));
      auto& sizes = item.at("layerBytes").as_array();
      bool whole = sizes.size() == image->layers.size();
      for (size_t i = 0; whole && i < sizes.size(); ++i) {
        image->layers[i].size_bytes = sizes[i].to_number<uint64_t>();
        image->size_bytes += image->layers[i].size_bytes;
        whole = fs::is_directory(image->layers[i].directory);
      }
      if (whole) images_.push_back(std::make_shared<const image_record>(std::move(*image)));
    }
    return true;
  } catch (const std::exception&) {
    // Unreadable: the images can be pulled again.
    images_.clear();
    return false;
  }
}

caf::error image_files::save() {
  auto document = index_of(images_);
  auto boot = boot_id();
  if (boot.empty()) { // cannot be told later: at once, then
    ++generation_;
    if (auto err = write_out()) return err;
    return settle(state());
  }
  document["bootID"] = boot;
  if (auto err = replace_file(settings_.root / early_index, json::serialize(document), false)) return err;
  early_ = true;
  ++generation_;
  return {};
}

caf::error image_files::write_out() const {
  unique_fd root{::open(settings_.root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!root || ::syncfs(root.get()) != 0) return errno_error("cannot write out the image store", errno);
  return {};
}

caf::error image_files::settle(const index_state& written) {
  auto text = json::serialize(index_of(written.images));
  if (auto err = replace_file(settings_.root / durable_index, text, true)) return err;
  if (written.generation != generation_) return {};
  early_ = false;
  std::error_code ec;
  fs::remove(settings_.root / early_index, ec);
  return {};
}

} // namespace podium
