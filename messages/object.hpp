// Stored objects: one immutable version each, shared by pointer; and what is asked of the registry.
#pragma once
#include "core/described.hpp"
#include "core/random.hpp"
#include "messages/meta.hpp"

#include <mutex>

namespace podium {

struct pod;
struct node;
struct config_map;
struct secret;
struct service_account;
struct persistent_volume;
struct persistent_volume_claim;
struct storage_class;

/// Where an object lives: the plural resource with its group (`pods`, `leases.coordination.k8s.io`),
/// namespace ("" for cluster-wide resources) and name.
struct object_key {
  std::string resource, ns, name;
  auto operator<=>(const object_key&) const = default;
};
BOOST_DESCRIBE_STRUCT(object_key, (), (resource, ns, name))

/// One version of an object: its JSON text and what lists and watches need without parsing it. Immutable.
class object {
public:
  object(object_key key, uint64_t resource_version, boost::json::value document);

  const object_key& key() const { return key_; }
  const std::string& uid() const { return meta_.uid; }
  uint64_t resource_version() const { return resource_version_; }
  const object_meta& meta() const { return meta_; }
  /// The document as it is served, metadata.resourceVersion included.
  const std::string& json() const { return json_; }
  /// A fresh DOM of the document, for who changes it.
  boost::json::value document() const;
  /// The typed view, decoded on first use and kept; only for the resource it belongs to.
  const pod& as_pod() const;
  const node& as_node() const;
  const config_map& as_config_map() const;
  const secret& as_secret() const;
  const service_account& as_service_account() const;
  const persistent_volume& as_persistent_volume() const;
  const persistent_volume_claim& as_persistent_volume_claim() const;
  const storage_class& as_storage_class() const;

private:
  template <class T>
  const T& view() const;

  object_key key_;
  uint64_t resource_version_;
  object_meta meta_;
  std::string json_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const void> view_; ///< of the one type that belongs to the key's resource
};

/// An object in a message: shared, shown by identity and version alone.
struct object_ref {
  std::shared_ptr<const object> ptr;
  const object* operator->() const { return ptr.get(); }
  const object& operator*() const { return *ptr; }
  explicit operator bool() const { return ptr != nullptr; }
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, object_ref& x) {
  std::string uid = x.ptr ? x.ptr->key().resource + "/" + x.ptr->key().ns + "/" + x.ptr->key().name : "";
  uint64_t version = x.ptr ? x.ptr->resource_version() : 0;
  return f(caf::meta::type_name("object"), uid, version);
}

/// A document on its way to the registry: a DOM that nobody changes any more.
struct document_ref {
  std::shared_ptr<const boost::json::value> ptr;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, document_ref& x) {
  uint64_t hash = x.ptr ? fnv1a(boost::json::serialize(*x.ptr)) : 0;
  return f(caf::meta::type_name("document"), hash);
}
inline document_ref make_document(boost::json::value v) {
  return {std::make_shared<const boost::json::value>(std::move(v))};
}

/// Creates an object. The document is decoded, defaulted and validated; the registry adds name
/// (generateName), uid, creationTimestamp and resourceVersion. Errors: already_exists; not_found (namespace);
/// forbidden (namespace terminating).
struct create_object {
  object_key key;
  document_ref document;
  bool dry_run = false;
  bool may_wait = false; ///< nobody looks at the answer: it is stored with what comes next, or a little later
};
BOOST_DESCRIBE_STRUCT(create_object, (), (key, document, dry_run, may_wait))

/// Which part of the document an update may change; the rest is taken from the stored version.
enum class update_part : uint8_t { main, status };
BOOST_DESCRIBE_ENUM(update_part, main, status)

/// Replaces an object. `expected_version` 0 is unconditional, `uid` "" is any. A write that changes nothing
/// gives the stored version back. Errors: not_found, conflict. Removing the last finalizer of an object being
/// deleted removes it.
struct update_object {
  object_key key;
  document_ref document;
  update_part part = update_part::main;
  std::string uid;
  uint64_t expected_version = 0;
  bool dry_run = false;
  bool may_wait = false; ///< as in create_object
};
BOOST_DESCRIBE_STRUCT(update_object, (), (key, document, part, uid, expected_version, dry_run, may_wait))

/// Replaces an object's status with `status` (whole, so that a doubled or late message does no harm).
/// Conditions of types that `status` does not have are kept, and terminal phases are. Errors: not_found;
/// conflict when the uid differs.
struct put_status {
  object_key key;
  std::string uid;
  document_ref status;
};
BOOST_DESCRIBE_STRUCT(put_status, (), (key, uid, status))

/// Gives an unbound pod its node and condition PodScheduled=True. Errors: not_found, conflict (bound to
/// another node; deleted).
struct bind_pod {
  std::string ns, name, uid, node;
};
BOOST_DESCRIBE_STRUCT(bind_pod, (), (ns, name, uid, node))

/// Deletes an object: pods gracefully (grace -1 is the object's own), others at once unless finalizers hold
/// them. Errors: not_found; conflict when a precondition does not hold.
struct delete_object {
  object_key key;
  int64_t grace_seconds = -1;
  std::string uid;               ///< precondition, "" is any
  uint64_t expected_version = 0; ///< precondition, 0 is any
  std::string propagation_policy;
  bool dry_run = false;
};
BOOST_DESCRIBE_STRUCT(delete_object, (),
                      (key, grace_seconds, uid, expected_version, propagation_policy, dry_run))

/// The object's last version, and whether it is gone (or only marked).
struct delete_result {
  object_ref object;
  bool removed = false;
};
BOOST_DESCRIBE_STRUCT(delete_result, (), (object, removed))

/// Asks for all objects of a resource (ns "" is every namespace).
struct list_objects {
  std::string resource, ns;
};
BOOST_DESCRIBE_STRUCT(list_objects, (), (resource, ns))

struct object_list {
  std::vector<object_ref> items;
  uint64_t resource_version = 0;
};
BOOST_DESCRIBE_STRUCT(object_list, (), (items, resource_version))

enum class watch_type : uint8_t { added, modified, deleted };
BOOST_DESCRIBE_ENUM(watch_type, added, modified, deleted)

/// One change: `object` is the new version (for deleted: the last, stamped with the deletion's version),
/// `previous` what it replaced.
struct watch_event {
  watch_type type = watch_type::added;
  object_ref object, previous;
  uint64_t resource_version = 0;
};
BOOST_DESCRIBE_STRUCT(watch_event, (), (type, object, previous, resource_version))

/// Asks for changes of a resource after `since`; answered when there are some, or empty after `wait` (ns).
/// Error expired: `since` is older than the history, list again.
struct watch_next {
  std::string resource;
  uint64_t since = 0;
  uint32_t limit = 500;
};
BOOST_DESCRIBE_STRUCT(watch_next, (), (resource, since, limit))

struct watch_batch {
  std::vector<watch_event> events;
  uint64_t resource_version = 0; ///< the next `since`
};
BOOST_DESCRIBE_STRUCT(watch_batch, (), (events, resource_version))

/// The involved object and the words of one event, on its way to the recorder.
struct record_event {
  object_key involved;
  std::string kind, uid, field_path; ///< e.g. Pod, its uid, spec.containers{web}
  std::string type, reason, message; ///< Normal or Warning
  std::string component, host;
};
BOOST_DESCRIBE_STRUCT(record_event, (),
                      (involved, kind, uid, field_path, type, reason, message, component, host))

/// "It is done": the answer of requests that have nothing else to say.
struct ack {};
BOOST_DESCRIBE_STRUCT(ack, (), ())

} // namespace podium
