// One image on its way from its sources into the store.
#pragma once
#include "messages/runtime.hpp"
#include "runtime/image/image_record.hpp"
#include "runtime/image/image_settings.hpp"
#include "runtime/image/reference.hpp"
#include <caf/expected.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace podium {

class event_loop;
class image_files;
class launcher;
class pull_places;
class work_pool;
struct blob_descriptor;
struct command_result;

/// Goes through the sources of a reference, and through the logins that fit one, until an image is in the
/// store; skopeo fetches. All on the loop's thread, the answers too.
class image_pull : public std::enable_shared_from_this<image_pull> {
public:
  using image_answer = std::function<void(caf::expected<image_ptr>)>;

  /// What it works with. The store outlives its pulls.
  struct parts {
    event_loop& loop;
    work_pool& pool;
    launcher& children;
    pull_places& places;
    const std::shared_ptr<image_files>& files; ///< only its parts for any thread
    /// image_files' calls of these names, in their turn.
    std::function<void(std::string digest, std::string name, std::vector<std::string> digests, image_answer)>
        name_known;
    std::function<void(std::filesystem::path copied, std::string name, std::vector<std::string> digests,
                       image_answer)>
        add;
  };

  /// `ended` is called once, before the answers of those who wait, unless closed.
  image_pull(const parts& with, image_reference reference, std::vector<registry_login> logins,
             std::function<void(const image_pull&)> ended);

  /// Which image with which logins: pulls of one key are one pull.
  static std::string key_of(const image_reference& reference, const std::vector<registry_login>& logins);

  void start();
  void wait_for(uint64_t request, image_answer done) { waiting_.emplace(request, std::move(done)); }
  /// False: it was not waiting here.
  bool withdraw(uint64_t request) { return waiting_.erase(request) != 0; }
  /// Nobody waits for it, and skopeo has not done its part.
  bool unwanted() const { return waiting_.empty() && !fetched_; }
  /// Ends it: what fetches is killed; a step that is under way is its last.
  void give_up();
  /// The store goes: no step comes after this, and nobody is answered.
  void close();

  const std::string& key() const { return key_; }
  const image_reference& reference() const { return reference_; }
  bool given_up() const { return given_up_; }
  /// How far it is; nothing while no skopeo has begun.
  std::optional<pull_progress> progress() const;

private:
  const image_source& source() const { return sources_[next_source_]; }
  /// `f(*this, args…)`, while there is this and it goes on.
  template <class F>
  auto when_here(F f);
  void submit(std::function<void()> work, std::function<void(image_pull&)> then);

  void try_source();
  void found_in_layout(caf::expected<blob_descriptor> found);
  void take_place(const std::string& registry, const std::string& layout_name);
  void leave_place();
  void copy(const std::string& layout_name);
  void run_skopeo(const std::string& layout_name);
  void copied(caf::expected<command_result> result);
  void drop_auth_file();
  void note(caf::error err);
  void failed(caf::error err);
  caf::error failure() const;
  void finish(caf::expected<image_ptr> result);

  const parts& with_;
  image_reference reference_;
  std::vector<registry_login> logins_; ///< all that were given
  std::string key_;
  std::function<void(const image_pull&)> ended_;
  std::map<uint64_t, image_answer> waiting_; ///< by request

  std::vector<image_source> sources_;
  size_t next_source_ = 0;
  std::vector<registry_login> fitting_; ///< the source's
  size_t next_login_ = 0;
  std::filesystem::path auth_file_;  ///< while skopeo reads it
  std::filesystem::path copied_;     ///< skopeo's target
  std::vector<std::string> digests_; ///< what the image is also known by, "name@sha256:…"
  std::vector<std::string> reasons_; ///< why the sources so far did not do
  caf::error last_error_;
  uint64_t place_ = 0;   ///< its turn to fetch from this source, or its waiting for one; 0: not yet
  uint64_t command_ = 0; ///< skopeo, while it runs
  bool fetched_ = false; ///< skopeo has done its part
  bool retried_ = false, given_up_ = false, closed_ = false;
};

} // namespace podium
