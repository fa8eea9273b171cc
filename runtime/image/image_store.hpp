// The node's images: pulled by skopeo, unpacked into layer directories, found by name, digest or id.
#pragma once
#include "messages/runtime.hpp"
#include "runtime/image/image_record.hpp"
#include "runtime/image/image_settings.hpp"
#include "runtime/image/reference.hpp"
#include "runtime/loop/event_loop.hpp"
#include <caf/expected.hpp>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace podium {

class launcher;

/// All calls and all answers on the loop's thread. Files are handled in the work pool, one job at a time;
/// downloads run beside each other. Destroy it before the pool and the launcher; answers that are still due
/// are then not given.
class image_store {
public:
  using image_answer = std::function<void(caf::expected<image_ptr>)>;
  using plain_answer = std::function<void(caf::error)>;

  image_store(event_loop& loop, work_pool& pool, launcher& children, image_settings settings);
  ~image_store();
  image_store(const image_store&) = delete;
  image_store& operator=(const image_store&) = delete;

  /// Removes what an earlier process left unfinished and reads the index. First of all calls.
  void start(plain_answer done);
  /// Fetches and unpacks; an image that a local layout still has under the same digest costs no copy.
  /// Requests for the same image with the same logins share one pull. A registry is told each login that
  /// fits the image's name there, in turn; without one that fits, who skopeo is on this machine. Errors:
  /// errc::image_name, errc::image_pull, errc::too_large, errc::no_space, errc::timeout. Returns an id for
  /// withdraw(); 0: it has been answered.
  uint64_t pull(const std::string& reference, const std::vector<registry_login>& logins, image_answer done);
  /// Who asked wants it no more and gets no answer. A pull that nobody waits for is given up: what fetches it
  /// is killed, and its place is free. What is being unpacked already is finished.
  void withdraw(uint64_t id);
  /// How far the pull of an image is. Errors: errc::image_name, errc::not_found (none is under way).
  caf::expected<pull_progress> progress(const std::string& reference) const;
  /// The image on this node that `reference` (or an image id, "sha256:…") means.
  /// Errors: errc::image_name, errc::not_found.
  caf::expected<image_ptr> find(const std::string& reference) const;
  std::vector<image_ptr> list() const;
  /// Brings all that was pulled to the disk now. Error errc::io.
  void write_out(plain_answer done);
  /// Removes an image unless `in_use` (ids) holds it: from now on it is not found, and its name is free. What
  /// it alone had is deleted in the background. Errors: errc::conflict, errc::not_found, errc::io.
  void remove(const std::string& id, const std::set<std::string>& in_use, plain_answer done);
  /// How full the disk is that the store lies on. Error errc::io.
  void disk(std::function<void(caf::expected<image_disk>)> done);

private:
  struct impl;
  std::shared_ptr<impl> impl_;
};

} // namespace podium
