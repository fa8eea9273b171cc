// Where images come from and where they are kept.
#pragma once
#include "runtime/image/layer_unpack.hpp"
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace podium {

/// One place to ask for an image.
struct image_source {
  /// "oci:/path" of a local OCI layout, or "[http://|https://]host[:port][/prefix]" of a registry.
  std::string location;
  /// Check the registry's certificate; "http://" never does.
  bool tls_verify = true;
};

/// What stands in for a registry host.
struct upstream_registry {
  std::vector<image_source> mirrors; ///< asked in this order, first
  bool fall_back = true;             ///< ask the host itself when no mirror has the image
  bool tls_verify = true;            ///< for the host itself
};

struct image_settings {
  std::filesystem::path root; ///< the store's directory; made when missing; without ':'
  std::map<std::string, upstream_registry> registries; ///< by host ("docker.io"); "*" is every host not named
  std::string skopeo = "skopeo";                       ///< program that copies images
  std::string policy_file; ///< signature policy for skopeo; empty: the machine's, or none where it has none
  std::chrono::seconds pull_timeout{600};
  unsigned parallel_pulls = 3;
  /// A pull answers once the image can be used; this long after, in the background, it is brought to the
  /// disk. A power cut before loses the image, never its integrity.
  std::chrono::milliseconds write_out_delay{2'000};
  unpack_limits limits;
};

/// The places to ask for an image of `host`, in order. A registry on this machine's loopback may speak plain
/// HTTP, as with containerd. Pure.
std::vector<image_source> sources_for(const image_settings& settings, const std::string& host);

} // namespace podium
