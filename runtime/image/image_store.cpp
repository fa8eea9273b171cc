#include "runtime/image/image_store.hpp"
#include "core/error.hpp"
#include "runtime/image/digest.hpp"
#include "runtime/image/image_files.hpp"
#include "runtime/image/logins.hpp"
#include "runtime/image/pull_places.hpp"
#include "runtime/image/skopeo.hpp"
#include "runtime/loop/result_of.hpp"
#include "runtime/loop/serial_queue.hpp"
#include "runtime/process/launcher.hpp"
#include <algorithm>
#include <cerrno>
#include <map>
#include <sys/statvfs.h>

namespace podium {

namespace fs = std::filesystem;

namespace {

// One image on its way, asked for by any number of callers.
struct pull_job {
  std::string key;
  image_reference reference;
  std::vector<registry_login> logins; // all that were given
  std::vector<image_source> sources;
  size_t next_source = 0;
  std::vector<registry_login> fitting; // the source's
  size_t next_login = 0;
  fs::path auth_file; // while skopeo reads it
  bool retried = false;
  uint64_t command = 0;             // skopeo, while it runs
  bool fetched = false;             // skopeo has done its part
  fs::path copied;                  // skopeo's target
  std::vector<std::string> digests; // what the image is also known by, "name@sha256:…"
  std::vector<std::string> reasons; // why the sources so far did not do
  caf::error last_error;
  std::map<uint64_t, image_store::image_answer> waiting; // by request
  uint64_t place = 0; // its turn to fetch from this source, or its waiting for one; 0: not yet
  bool given_up = false;
};

using job_ptr = std::shared_ptr<pull_job>;

// What a local layout has under the wanted name. Blocks.
caf::expected<blob_descriptor> look_into_layout(const fs::path& layout, const image_reference& ref) {
  auto text = read_file(layout / "index.json", max_document_bytes);
  if (!text) return std::move(text.error());
  auto index = parse_layout_index(*text);
  if (!index) return std::move(index.error());
  if (auto found = find_in_layout(*index, ref.name(), ref.tag, ref.digest)) return *found;
  return make_error(errc::not_found, "not in the layout " + layout.string());
}

} // namespace

struct image_store::impl : std::enable_shared_from_this<impl> {
  impl(event_loop& l, work_pool& p, launcher& c, image_settings settings)
      : loop(l), pool(p), children(c), queue(l, p), files(std::make_shared<image_files>(std::move(settings))),
        places(files->settings().parallel_pulls) {}

  event_loop& loop;
  work_pool& pool;
  launcher& children;
  serial_queue queue;
  std::shared_ptr<image_files> files;   // touched by the queue's jobs only, but for its constant parts
  std::vector<image_ptr> images;        // the loop's copy of what files holds
  std::set<std::string> leaving;        // ids of images that are being removed: nobody finds them
  std::map<std::string, job_ptr> pulls; // but those that were given up
  std::set<job_ptr> under_way;
  uint64_t last_request = 0;
  std::set<uint64_t> commands;
  pull_places places;
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

  void try_source(const job_ptr& job) {
    if (job->given_up || job->next_source == job->sources.size()) return finish(job, failure(*job));
    auto& source = job->sources[job->next_source];
    if (!is_layout(source)) {
      job->fitting = fitting_logins(job->logins, name_at(source, job->reference));
      return take_place(job, source.location, {});
    }
    auto found = std::make_shared<std::optional<caf::expected<blob_descriptor>>>();
    auto accepted = pool.submit([found, path = layout_path(source),
                                 ref = job->reference] { found->emplace(look_into_layout(path, ref)); },
                                [weak = weak_from_this(), job, found] {
                                  if (auto self = weak.lock(); self && !self->closed)
                                    self->found_in_layout(job, std::move(**found));
                                });
    if (!accepted) failed(job, make_error(errc::unavailable, "too much work is waiting"));
  }

  void found_in_layout(const job_ptr& job, caf::expected<blob_descriptor> found) {
    if (!found) return failed(job, std::move(found.error()));
    job->digests = {job->reference.name() + "@" + found->digest};
    auto name = job->reference.tagged();
    change([digest = found->digest, name,
            digests = job->digests](image_files& f) { return f.name_known(digest, name, digests); },
           [this, job, ref_name = found->ref_name](caf::expected<image_ptr> known) {
             if (known) return finish(job, std::move(known));
             take_place(job, {}, ref_name);
           });
  }

  /// Only who has something to fetch waits for a turn, and only for those who fetch at the same place.
  void take_place(const job_ptr& job, const std::string& registry, const std::string& layout_name) {
    leave_place(*job);
    // Later, so that the place's number is known to whoever leaves it.
    job->place = places.take(registry, [this, weak = weak_from_this(), job, layout_name] {
      loop.post([weak, job, layout_name] {
        if (auto self = weak.lock(); self && !self->closed) self->copy(job, layout_name);
      });
    });
  }

  void leave_place(pull_job& job) { places.leave(std::exchange(job.place, 0)); }

  void copy(const job_ptr& job, const std::string& layout_name) {
    if (job->next_login == job->fitting.size()) return run_copy(job, layout_name);
    auto& source = job->sources[job->next_source];
    auto host = name_at(source, job->reference);
    host.resize(host.find('/'));
    job->auth_file = files->temporary("auth");
    auto failed_to = std::make_shared<caf::error>();
    auto accepted = pool.submit(
        [failed_to, file = job->auth_file, text = auth_file_text(job->fitting[job->next_login], host)] {
          *failed_to = write_auth_file(file, text);
        },
        [weak = weak_from_this(), job, layout_name, failed_to] {
          auto self = weak.lock();
          if (!self || self->closed) return;
          if (*failed_to) return self->failed(job, *failed_to);
          self->run_copy(job, layout_name);
        });
    if (!accepted) failed(job, make_error(errc::unavailable, "too much work is waiting"));
  }

  // Also where nothing came of it: what is in the file is secret.
  void drop_auth_file(const job_ptr& job) {
    if (job->auth_file.empty()) return;
    auto remove = [file = job->auth_file] { ::unlink(file.c_str()); };
    if (!pool.submit(remove, {})) remove();
    job->auth_file.clear();
  }

  void run_copy(const job_ptr& job, const std::string& layout_name) {
    if (job->given_up) return failed(job, unwanted());
    auto& source = job->sources[job->next_source];
    job->copied = files->temporary("pull");
    command what;
    what.process.die_with_parent = true; // the next daemon begins with an empty tmp/
    what.process.argv = skopeo_copy_command(files->settings(), source, job->reference, layout_name,
                                            job->copied, files->blobs(), job->auth_file.string());
    what.process.env = current_environment({"TMPDIR", "REGISTRY_AUTH_FILE"});
    what.process.env.push_back("TMPDIR=" + (files->settings().root / "tmp").string());
    what.timeout = files->settings().pull_timeout;
    what.output_limit_bytes = 64 * 1'024;
    auto id = std::make_shared<uint64_t>(0);
    *id = children.run(std::move(what),
                       [weak = weak_from_this(), job, id](caf::expected<command_result> result) {
                         auto self = weak.lock();
                         if (!self || self->closed) return;
                         self->commands.erase(*id);
                         job->command = 0;
                         self->copied(job, std::move(result));
                       });
    commands.insert(*id);
    job->command = *id;
    job->fetched = false;
  }

  void copied(const job_ptr& job, caf::expected<command_result> result) {
    drop_auth_file(job);
    if (!result) return failed(job, std::move(result.error()));
    if (job->given_up) return failed(job, unwanted());
    if (result->timed_out) {
      auto seconds = std::to_string(files->settings().pull_timeout.count());
      return failed(job, make_error(errc::timeout, "skopeo did not finish within " + seconds + " s"));
    }
    if (result->status.shell_code() != 0) {
      auto text = skopeo_error(result->err);
      auto full = text.find("no space left on device") != text.npos;
      auto err = make_error(full ? errc::no_space : errc::image_pull, std::move(text));
      if (job->next_login + 1 >= job->fitting.size()) return failed(job, std::move(err));
      note(*job, std::move(err));
      ++job->next_login;
      return copy(job, {});
    }
    job->fetched = true;
    if (auto digested = job->reference.digested(); !digested.empty() && job->digests.empty())
      job->digests = {digested};
    change([from = job->copied, name = job->reference.tagged(),
            digests = job->digests](image_files& f) { return f.add(from, name, digests); },
           [this, job](caf::expected<image_ptr> added) {
             if (added) return finish(job, std::move(added));
             // A blob of the store that was missing or corrupt is gone now: skopeo fetches it anew.
             if (code_of(added.error()) == errc::image_pull && !job->retried) {
               job->retried = true;
               return try_source(job);
             }
             failed(job, std::move(added.error()));
           });
  }

  static caf::error unwanted() { return make_error(errc::cancelled, "nobody waits for it any more"); }

  // Two logins that are refused in the same words are one reason.
  static void note(pull_job& job, caf::error err) {
    auto text = message_of(err);
    if (std::find(job.reasons.begin(), job.reasons.end(), text) == job.reasons.end())
      job.reasons.push_back(std::move(text));
    job.last_error = std::move(err);
  }

  void failed(const job_ptr& job, caf::error err) {
    drop_auth_file(job);
    leave_place(*job);
    note(*job, std::move(err));
    job->digests.clear();
    job->fitting.clear();
    job->next_login = 0;
    ++job->next_source;
    try_source(job);
  }

  static caf::error failure(const pull_job& job) {
    std::string text = "failed to pull image \"" + job.reference.text() + "\": ";
    if (job.reasons.empty()) text += "no source is configured for " + job.reference.domain;
    for (size_t i = 0; i < job.reasons.size(); ++i)
      text += (i ? "; " : "") + job.reasons[i];
    auto code = code_of(job.last_error);
    auto keep = code == errc::no_space || code == errc::too_large;
    return make_error(keep ? code : errc::image_pull, std::move(text));
  }

  void finish(const job_ptr& job, caf::expected<image_ptr> result) {
    leave_place(*job);
    under_way.erase(job);
    if (!job->given_up) pulls.erase(job->key);
    if (!job->copied.empty())
      pool.submit(
          [dir = job->copied] {
            std::error_code ec;
            fs::remove_all(dir, ec);
          },
          {});
    for (auto& [request, done] : job->waiting)
      done(result);
  }

  /// Its steps end where they look next; who asks for the same image from now on begins anew.
  void give_up(const job_ptr& job) {
    pulls.erase(job->key);
    job->given_up = true;
    if (places.waits(job->place)) return finish(job, unwanted());
    if (job->command != 0) children.cancel(job->command);
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
    for (auto id : self->commands)
      self->children.cancel(id);
    for (auto& job : self->under_way)
      if (!job->auth_file.empty()) ::unlink(job->auth_file.c_str());
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
  auto key = reference->text() + "\n" + identity_of(logins);
  if (auto i = impl_->pulls.find(key); i != impl_->pulls.end()) {
    i->second->waiting.emplace(request, std::move(done));
    return request;
  }
  auto job = std::make_shared<pull_job>();
  job->key = key;
  job->reference = std::move(*reference);
  job->logins = logins;
  job->sources = sources_for(impl_->files->settings(), job->reference.domain);
  job->waiting.emplace(request, std::move(done));
  impl_->pulls.emplace(key, job);
  impl_->under_way.insert(job);
  impl_->try_source(job);
  return request;
}

void image_store::withdraw(uint64_t id) {
  for (auto& [key, job] : impl_->pulls)
    if (job->waiting.erase(id) != 0) {
      if (auto unwanted = job; unwanted->waiting.empty() && !unwanted->fetched) impl_->give_up(unwanted);
      return;
    }
}

caf::expected<pull_progress> image_store::progress(const std::string& text) const {
  auto reference = parse_image_reference(text);
  if (!reference) return std::move(reference.error());
  auto wanted = reference->text();
  for (auto& [key, job] : impl_->pulls)
    if (job->reference.text() == wanted && (job->command != 0 || job->fetched))
      return pull_progress{impl_->children.written_bytes(job->command), job->fetched};
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
