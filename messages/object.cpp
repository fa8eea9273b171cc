#include "messages/object.hpp"

#include "core/utf8.hpp"
#include "messages/node.hpp"
#include "messages/pod.hpp"
#include "messages/storage.hpp"

namespace podium {

object::object(object_key key, uint64_t resource_version, boost::json::value document)
    : key_(std::move(key)), resource_version_(resource_version) {
  if (auto* o = document.if_object()) {
    auto& meta = (*o)["metadata"];
    if (!meta.is_object()) meta = boost::json::object{};
    // 0 is of an object that was never stored: the answer to a dry run.
    if (resource_version > 0)
      meta.get_object()["resourceVersion"] = std::to_string(resource_version);
    else
      meta.get_object().erase("resourceVersion");
    from_json(meta, meta_);
  }
  json_ = boost::json::serialize(document);
  json_.shrink_to_fit(); // grown by doubling, and kept as long as the object is
  // Everybody reads the text again, and one bad byte (a container's last words, say) would make it none.
  if (utf8_prefix(json_) == json_.size()) return;
  json_ = to_utf8(std::move(json_));
  auto clean = this->document();
  if (auto* o = clean.if_object()) from_json((*o)["metadata"], meta_);
}

boost::json::value object::document() const {
  boost::json::parse_options options;
  options.max_depth = 200;
  boost::system::error_code ec;
  return boost::json::parse(json_, ec, {}, options);
}

template <class T>
const T& object::view() const {
  std::lock_guard guard{mutex_};
  if (!view_) {
    auto decoded = std::make_shared<T>();
    from_json(document(), *decoded);
    view_ = std::move(decoded);
  }
  return *static_cast<const T*>(view_.get());
}

const pod& object::as_pod() const {
  return view<pod>();
}

const node& object::as_node() const {
  return view<node>();
}

const config_map& object::as_config_map() const {
  return view<config_map>();
}

const secret& object::as_secret() const {
  return view<secret>();
}

const service_account& object::as_service_account() const {
  return view<service_account>();
}

const persistent_volume& object::as_persistent_volume() const {
  return view<persistent_volume>();
}

const persistent_volume_claim& object::as_persistent_volume_claim() const {
  return view<persistent_volume_claim>();
}

const storage_class& object::as_storage_class() const {
  return view<storage_class>();
}

} // namespace podium
