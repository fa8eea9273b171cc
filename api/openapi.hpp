// OpenAPI from the schema table: what kubectl asks before it validates on the server's side, and what
// `kubectl explain` prints. Version 3 for kubectl from 1.27 on, version 2 for older ones.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace podium::api {

/// The documents, made once. Each is known by the hash of its text, so that clients may keep it for ever.
class openapi_documents {
public:
  openapi_documents();

  struct entry {
    std::shared_ptr<const std::string> text;
    std::string etag; ///< quoted
  };
  /// The list of documents with their hashes.
  const entry& index() const { return index_; }
  /// The document of a group and version, or null.
  const entry* find(std::string_view group, std::string_view version) const;

  /// All of it as version 2, in protobuf.
  const entry& v2() const { return v2_; }

private:
  entry v2_;
  entry index_;
  std::map<std::string, entry, std::less<>> documents_; ///< by "api/v1", "apis/G/V"
};

} // namespace podium::api
