// What a write makes of a stored object: pure functions from (stored version, request, now) to the next
// document. The registry actor carries the answers out.
#pragma once
#include "core/error.hpp"
#include "core/random.hpp"
#include "messages/object.hpp"

#include <cstddef>

namespace podium::registry_rules {

/// The largest document that is stored, in bytes of its JSON text (etcd's request limit, as users know it).
constexpr size_t max_object_bytes = 3 * 512 * 1024;

/// What becomes of the object.
enum class outcome : uint8_t {
  write,     ///< `document` is the next version
  remove,    ///< the object goes; `document` is its last version
  unchanged, ///< the stored version stands
};
struct decision {
  outcome what = outcome::unchanged;
  boost::json::value document;
};
using verdict = caf::expected<decision>;

/// True for resources whose objects live in no namespace by their nature and hold others: `namespaces`.
bool is_namespace(const object_key& key);
/// True for resources that are kept in memory alone (leases: a heartbeat must not wake the disk).
bool is_volatile(std::string_view resource);

// The sentences of Kubernetes' Status for these cases.
caf::error not_found(const object_key& key);
caf::error already_exists(const object_key& key);
caf::error conflict(const object_key& key, const std::string& why);
caf::error modified_meanwhile(const object_key& key);

/// Whether objects may be made in a namespace whose object is `ns` (null: there is none).
/// Errors: not_found; forbidden while it terminates.
caf::error admits_new_content(const object_key& key, const object* ns);

/// The first version of an object. `key` has its final name; uid and now are stamped in. Identity, deletion
/// and version fields of the document are not taken over. Source: rest.BeforeCreate and the strategies'
/// PrepareForCreate.
decision created(const object_key& key, const boost::json::value& document, const std::string& uid,
                 wall_time now);

/// The name for metadata.generateName: the base (cut to 58 characters) and five random ones.
std::string generated_name(std::string_view base, random_stream& random);

/// Main: spec and metadata from `document`, status from the stored version. Status: status and metadata from
/// `document` (a pod's owners and all metadata of a document without any stay), the rest is the stored one.
/// Identity (name, namespace, uid, creationTimestamp, deletion fields, generation) is always the stored one;
/// generation grows when anything but metadata and status changed. Removing the last finalizer of an object
/// that waits for nothing else removes it.
verdict updated(const object& stored, const update_object& request);

/// The whole status replaced, as put_status says: conditions of foreign types stay (first in the list), a
/// pod's terminal phase stays, and a bound pod stays scheduled.
verdict status_put(const object& stored, const put_status& request);

/// The binding of a pod. Bound to the same node already is unchanged.
verdict bound(const object& stored, const bind_pod& request, wall_time now);

/// A deletion. `empty_namespace`: nothing lives in this namespace any more (for namespaces only). Source:
/// rest.BeforeDelete, podStrategy.CheckGracefulDelete.
verdict deleted(const object& stored, const delete_object& request, wall_time now, bool empty_namespace);

/// A namespace's document as Kubernetes makes it at start.
boost::json::value namespace_document(const std::string& name);

} // namespace podium::registry_rules
