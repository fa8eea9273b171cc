// What the store knows of an image.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace podium {

/// The part of an image's configuration that a container starts from.
struct image_config {
  std::vector<std::string> entrypoint, cmd;
  std::vector<std::string> env; ///< "NAME=value"
  std::string user;             ///< "", "name", "uid", each with an optional ":group"
  std::string working_dir;
  std::string stop_signal;                ///< "SIGTERM", "15" or ""
  std::vector<std::string> exposed_ports; ///< "80/tcp"
};

/// One unpacked layer.
struct image_layer {
  std::string diff_id; ///< "sha256:…"
  std::filesystem::path directory;
  uint64_t size_bytes = 0; ///< of its files
};

struct image_record {
  std::string id;                   ///< digest of the configuration: the image's id
  std::string manifest_digest;      ///< digest of the manifest as it is stored here
  std::vector<std::string> names;   ///< "docker.io/library/busybox:latest", sorted
  std::vector<std::string> digests; ///< "docker.io/library/busybox@sha256:…", sorted
  std::vector<std::string> blobs;   ///< digests of all blobs: manifest, configuration, layers
  std::vector<image_layer> layers;  ///< lowest first
  uint64_t size_bytes = 0;          ///< of the unpacked layers
  image_config config;

  /// Every form that one repository's digest may be shown in; the first of `digests` when `name` has none.
  std::string repo_digest(const std::string& name) const;
};

using image_ptr = std::shared_ptr<const image_record>;

} // namespace podium
