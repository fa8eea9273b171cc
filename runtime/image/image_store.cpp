#include "runtime/image/image_store.hpp"
#include "core/error.hpp"
#include "runtime/image/digest.hpp"
#include "runtime/image/image_files.hpp"
#include "runtime/image/image_pull.hpp"
#include "runtime/image/pull_places.hpp"
#include "runtime/loop/result_of.hpp"
#include "runtime/loop/serial_queue.hpp"
#include "runtime/process/launcher.hpp"
#include <algorithm>
#include <cerrno>
#include <map>
#include <sys/statvfs.h>

namespace podium {

namespace fs = std::filesystem;

struct image_store::impl : std::enable_shared_from_this<impl> {
  impl(event_loop& l, work_pool& p, launcher& c, image_settings settings)
      : loop(l), pool(p), children(c), queue(l, p), files(std::make_shared<image_files>(std::move(settings))),
        places(files->settings().parallel_pulls),
        pull_parts{loop,
                   pool,
                   children,
                   places,
                   files,
                   [this](auto digest, auto name, auto digests, auto done) {
                     change([=](image_files& f) { return f.name_known(digest, name, digests); },
                            std::move(done));
                   },
                   [this](auto copied, auto name, auto digests, auto done) {
                     change([=](image_files& f) { return f.add(copied, name, digests); }, std::move(done));
                   }} {}

  using pull_ptr = std::shared_ptr<image_pull>;

  event_loop& loop;
  work_pool& pool;
  launcher& children;
  serial_queue queue;
  std::shared_ptr<image_files> files;    // touched by the queue's jobs only, but for its constant parts
  std::vector<image_ptr> images;         // the loop's copy of what files holds
  std::set<std::string> leaving;         // ids of images that are being removed: nobody finds them
  std::map<std::string, pull_ptr> pulls; // by key; but those that were given up
  std::set<pull_ptr> under_way;
  uint64_t last_request = 0;
  pull_places places;
  image_pull::parts pull_parts;
  bool closed = false, writing = false;
  uint64_t write_timer = 0;

  /// Runs `work` on the files, then publishes their state and gives the result to `done`, unless the store is
  /// gone.
  template <class Work, class Done>
  void change(Work work, Done done) {
    using result_type = decltype(work(*files));
    struct outcome {
      std::optional<result_type> value;
      std::vector<image_ptr> images;
      bool early = false;
    };
    auto out = std::make_shared<outcome>();
    auto accepted = queue.submit(
        [f = files, out, work = std::move(work)] {
          out->value.emplace(result_of([&] { return work(*f); }));
          out->images = f->images();
          out->early = f->early();
        },
        [weak = weak_from_this(), out, done] {
          auto self = weak.lock();
          if (!self || self->closed) return;
          self->images = std::move(out->images);
          std::erase_if(self->images, [&](auto& image) { return self->leaving.contains(image->id); });
          if (out->early) self->write_out_later();
          done(std::move(*out->value));
        });
    if (!accepted)
      done(result_type{make_error(errc::unavailable, "too much work is waiting for the image store")});
  }

  void write_out_later() {
    if (write_timer != 0 || writing) return;
    write_timer = loop.after(files->settings().write_out_delay, [weak = weak_from_this()] {
      auto self = weak.lock();
      if (!self || self->closed) return;
      self->write_timer = 0;
      self->write_out({});
    });
  }

  /// Looks at the state, brings the files to the disk beside the queue, which goes on, and then the index for
  /// that state. What changed meanwhile (or a failure) leads to another round.
  void write_out(image_store::plain_answer done) {
    writing = true;
    auto state = std::make_shared<image_files::index_state>();
    auto finish = [this, done = std::move(done)](caf::error err) {
      writing = false;
      if (err) write_out_later();
      if (done) done(std::move(err));
    };
    change(
        [state](image_files& f) {
          *state = f.state();
          return caf::error{};
        },
        [this, state, finish](caf::error err) {
          if (err) return finish(std::move(err));
          auto failed = std::make_shared<caf::error>();
          auto taken =
              pool.submit([f = files, failed] { *failed = f->write_out(); },
                          [weak = weak_from_this(), state, failed, finish] {
                            auto self = weak.lock();
                            if (!self || self->closed) return;
                            if (*failed) return finish(*failed);
                            // change() looks whether another round is due
                            self->writing = false;
                            self->change([state](image_files& f) { return f.settle(*state); }, finish);
                          });
          if (!taken) finish(make_error(errc::unavailable, "too much work is waiting"));
        });
  }

  /// Its steps end where they look next; who asks for the same image from now on begins anew.
  void give_up(const pull_ptr& pull) {
    pulls.erase(pull->key());
    pull->give_up();
  }

  void ended(const image_pull& pull) {
    if (!pull.given_up()) pulls.erase(pull.key());
    under_way.erase(std::const_pointer_cast<image_pull>(pull.shared_from_this()));
  }
};

image_store::image_store(event_loop& loop, work_pool& pool, launcher& children, image_settings settings)
    : impl_(std::make_shared<impl>(loop, pool, children, std::move(settings))) {}

image_store::~image_store() {
  // On the loop, where everything else happens; what is under way finds the store closed.
  auto self = impl_;
  self->loop.run([self] {
    self->closed = true;
    if (self->write_timer != 0) self->loop.cancel(self->write_timer);
    for (auto& pull : self->under_way)
      pull->close();
    self->under_way.clear();
    self->pulls.clear();
  });
}

void image_store::start(plain_answer done) {
  impl_->change([](image_files& f) { return f.open(); },
                [done = std::move(done)](caf::error err) { done(std::move(err)); });
}

uint64_t image_store::pull(const std::string& text, const std::vector<registry_login>& logins,
                           image_answer done) {
  auto reference = parse_image_reference(text);
  if (!reference) {
    done(std::move(reference.error()));
    return 0;
  }
  auto request = ++impl_->last_request;
  auto key = image_pull::key_of(*reference, logins);
  if (auto i = impl_->pulls.find(key); i != impl_->pulls.end()) {
    i->second->wait_for(request, std::move(done));
    return request;
  }
  auto pull = std::make_shared<image_pull>(impl_->pull_parts, std::move(*reference), logins,
                                           [impl = impl_.get()](auto& ended) { impl->ended(ended); });
  pull->wait_for(request, std::move(done));
  impl_->pulls.emplace(key, pull);
  impl_->under_way.insert(pull);
  pull->start();
  return request;
}

void image_store::withdraw(uint64_t id) {
  for (auto& [key, pull] : impl_->pulls)
    if (pull->withdraw(id)) {
      if (pull->unwanted()) impl_->give_up(impl::pull_ptr{pull});
      return;
    }
}

caf::expected<pull_progress> image_store::progress(const std::string& text) const {
  auto reference = parse_image_reference(text);
  if (!reference) return std::move(reference.error());
  auto wanted = reference->text();
  for (auto& [key, pull] : impl_->pulls)
    if (auto far = pull->progress(); far && pull->reference().text() == wanted) return *far;
  return make_error(errc::not_found, "image " + wanted + " is not being fetched");
}

caf::expected<image_ptr> image_store::find(const std::string& text) const {
  if (is_sha256_digest(text)) {
    for (auto& image : impl_->images)
      if (image->id == text) return image;
    return make_error(errc::not_found, "image " + text + " is not on this node");
  }
  auto reference = parse_image_reference(text);
  if (!reference) return std::move(reference.error());
  auto digested = reference->digested();
  auto wanted = digested.empty() ? reference->tagged() : digested;
  for (auto& image : impl_->images) {
    auto& list = digested.empty() ? image->names : image->digests;
    if (std::binary_search(list.begin(), list.end(), wanted)) return image;
  }
  return make_error(errc::not_found, "image " + reference->text() + " is not on this node");
}

std::vector<image_ptr> image_store::list() const {
  return impl_->images;
}

void image_store::write_out(plain_answer done) {
  impl_->write_out(std::move(done));
}

void image_store::remove(const std::string& id, const std::set<std::string>& in_use, plain_answer done) {
  if (in_use.contains(id)) return done(make_error(errc::conflict, "image " + id + " is in use"));
  // Blobs that a running copy has found here must stay; the next removal or start takes what is then left.
  auto collect_blobs = impl_->under_way.empty();
  // A container that is made from now on must not build on layers that are about to go.
  impl_->leaving.insert(id);
  std::erase_if(impl_->images, [&](auto& image) { return image->id == id; });
  using trash = caf::expected<std::vector<fs::path>>;
  impl_->change([id, collect_blobs](image_files& f) -> trash { return f.remove(id, collect_blobs); },
                [self = impl_.get(), id, done = std::move(done)](trash moved) {
                  self->leaving.erase(id);
                  if (!moved) {
                    // It is still there: it is shown again.
                    return self->change(
                        [](image_files&) { return caf::error{}; },
                        [done, err = std::move(moved.error())](const caf::error&) { done(err); });
                  }
                  // What finds no place in the pool goes at the next start.
                  self->pool.submit(
                      [moved = std::move(*moved)] {
                        std::error_code ec;
                        for (auto& path : moved)
                          fs::remove_all(path, ec);
                      },
                      {});
                  done({});
                });
}

void image_store::disk(std::function<void(caf::expected<image_disk>)> done) {
  auto found = std::make_shared<caf::expected<image_disk>>(caf::error{});
  auto accepted = impl_->pool.submit(
      [found, root = impl_->files->settings().root] {
        struct statvfs s {};
        if (::statvfs(root.c_str(), &s) != 0)
          *found = errno_error("cannot look at the disk of " + root.string(), errno);
        else
          *found = image_disk{static_cast<int64_t>(s.f_blocks * s.f_frsize),
                              static_cast<int64_t>(s.f_bavail * s.f_frsize)};
      },
      [found, done] { done(std::move(*found)); });
  if (!accepted) done(make_error(errc::unavailable, "too much work is waiting"));
}

} // namespace podium
