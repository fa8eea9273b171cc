// Image references: the text in a pod's `image:` field and what it stands for.
#pragma once
#include <caf/expected.hpp>
#include <string>
#include <string_view>

namespace podium {

/// A normalised image reference: defaults are filled in, so that two spellings of one image compare equal.
struct image_reference {
  std::string domain;     ///< registry host, with its port where one was given: "docker.io", "localhost:5000"
  std::string repository; ///< path below the registry: "library/busybox"
  std::string tag;        ///< "latest" when neither a tag nor a digest was given; empty for a pure digest
  std::string digest;     ///< "sha256:<64 hex digits>" or empty

  /// "docker.io/library/busybox".
  std::string name() const { return domain + "/" + repository; }
  /// The full text: name, ":tag" and "@digest" as far as they are there.
  std::string text() const;
  /// "name:tag", or empty without a tag.
  std::string tagged() const { return tag.empty() ? std::string{} : name() + ":" + tag; }
  /// "name@digest", or empty without a digest.
  std::string digested() const { return digest.empty() ? std::string{} : name() + "@" + digest; }
  bool operator==(const image_reference&) const = default;
};

/// Parses and normalises as Docker and Kubernetes do: a first part without dot, colon or upper case that is
/// not "localhost" is no host but a path below docker.io; one-part paths there lie in "library/". Error
/// errc::image_name: `couldn't parse image name "X": invalid reference format[: why]`.
caf::expected<image_reference> parse_image_reference(std::string_view text);

/// True for "sha256:" and 64 lower case hex digits, the only digests the store can verify.
bool is_sha256_digest(std::string_view text);

} // namespace podium
