// The base of every podium actor: restart in place, message faults, requests whose time-outs are cancelled,
// one set of deadlines, supervised children. The CAF rules behind each are in docs/architecture.md.
#pragma once
#include "core/actor_env.hpp"
#include "core/deadlines.hpp"
#include "core/error.hpp"

#include <caf/all.hpp>
#include <functional>
#include <map>
#include <string>

namespace podium {

/// A message that a fault held back, on its way to the actor it was for.
struct held_message {
  std::shared_ptr<caf::mailbox_element_ptr> element;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, held_message&) {
  return f(caf::meta::type_name("held_message"));
}

namespace detail {
/// The argument of a one-argument callable.
template <class F>
struct argument_of : argument_of<decltype(&F::operator())> {};
template <class C, class R, class A>
struct argument_of<R (C::*)(A) const> {
  using type = std::decay_t<A>;
};
template <class C, class R, class A>
struct argument_of<R (C::*)(A)> {
  using type = std::decay_t<A>;
};
constexpr auto deadline_atom = caf::atom("deadline");
} // namespace detail

/// Base of the class-based typed actors. A derived class overrides handlers() and on_start(); it keeps what
/// must survive an exception in members that on_start() does not reset.
template <class Interface>
class base_actor : public Interface::base {
public:
  using interface = Interface;
  using caf_base = typename Interface::base;
  using behavior_type = typename Interface::behavior_type;
  using failure = std::function<void(const caf::error&)>;

  /// `path` names the actor among its siblings: "node/edge-1/pod/default/web".
  base_actor(caf::actor_config& cfg, env_ptr env, std::string path)
      : caf_base(cfg), env_(std::move(env)), path_(std::move(path)) {
    this->set_error_handler([](auto*, caf::error&) {});
    this->set_down_handler([this](caf::down_msg& down) { child_down(down); });
  }

  const char* name() const override { return path_.c_str(); }
  const std::string& path() const { return path_; }

  /// Calls `ok(const Reply&)` or `fail(error)`, once; the time-out's clock entry goes when the answer comes.
  /// Answers to questions asked before a restart in place are dropped.
  template <class Handle, class Ok, class... Ts>
  void ask(const Handle& to, nanoseconds timeout, Ok ok, failure fail, Ts&&... message) {
    using reply = typename detail::argument_of<Ok>::type;
    if (!to) return fail(make_error(errc::unavailable, "there is no receiver"));
    auto pending = this->request(to, timeout, std::forward<Ts>(message)...);
    auto id = pending.id();
    pending.then(
        [this, id, life = life_, ok = std::move(ok)](const reply& x) mutable {
          this->clock().cancel_request_timeout(this, id);
          if (life == life_) ok(x);
        },
        [this, id, life = life_, fail = std::move(fail)](caf::error& e) mutable {
          this->clock().cancel_request_timeout(this, id);
          if (life == life_) fail(e);
        });
  }

  clock_time now() const { return const_cast<base_actor*>(this)->clock().now(); }
  wall_time wall_now() const { return env_->epoch.at(now()); }
  const env_ptr& env() const { return env_; }

  /// Calls `f` at `when`, unless cancelled or restarted before.
  deadline_set::id at(clock_time when, std::function<void()> f) {
    auto id = deadlines_.add(when, std::move(f));
    arm();
    return id;
  }
  deadline_set::id after(nanoseconds delay, std::function<void()> f) {
    return at(now() + delay, std::move(f));
  }
  /// Cancels a deadline and zeroes the caller's id.
  void cancel(deadline_set::id& id) {
    deadlines_.cancel(id);
    id = 0;
  }

  /// Watches `child`, ends it with this actor, and calls `on_down` once when it is gone.
  template <class Handle>
  void adopt_child(const Handle& child, std::function<void(const caf::error&)> on_down) {
    this->monitor(child);
    children_[child->address()] = {caf::actor_cast<caf::strong_actor_ptr>(child), std::move(on_down)};
  }
  /// Ends a child without on_down being called.
  template <class Handle>
  void dismiss_child(const Handle& child) {
    if (!child) return;
    children_.erase(child->address());
    this->send_exit(child, caf::exit_reason::user_shutdown);
  }

  // -- the plumbing
  // ---------------------------------------------------------------------------------------------------

  behavior_type make_behavior() override {
    on_start();
    return handlers();
  }

  void on_exit() override {
    ended();
    deadlines_.clear();
    this->clock().cancel_timeouts(this);
    for (auto& [addr, child] : children_)
      if (auto* target = child.ptr.get())
        target->enqueue(nullptr, caf::make_message_id(),
                        caf::make_message(caf::exit_msg{this->address(), caf::exit_reason::user_shutdown}),
                        nullptr);
    children_.clear();
  }

  caf::invoke_message_result consume(caf::mailbox_element& x) override {
    auto& content = x.content();
    if (content.template match_elements<held_message>()) {
      auto inner = std::move(*content.template get_as<held_message>(0).element);
      return inner ? consume(*inner) : caf::invoke_message_result::consumed;
    }
    if (content.template match_elements<caf::timeout_msg>()
        && content.template get_as<caf::timeout_msg>(0).type == detail::deadline_atom) {
      armed_.reset();
      guarded(x, [&] {
        trace(x);
        run_due();
      });
      return caf::invoke_message_result::consumed;
    }
    auto result = caf::invoke_message_result::consumed;
    guarded(x, [&] {
      trace(x);
      result = caf_base::consume(x);
    });
    return result;
  }

  void enqueue(caf::mailbox_element_ptr element, caf::execution_unit* unit) override {
    auto* faults = env_->faults();
    if (!faults || !may_fail(*element)) return caf_base::enqueue(std::move(element), unit);
    auto verdict = faults->judge(path_, *element);
    switch (verdict.what) {
    case fault_verdict::kind::pass:
      return caf_base::enqueue(std::move(element), unit);
    case fault_verdict::kind::drop:
      return;
    case fault_verdict::kind::duplicate: {
      auto copy = caf::make_mailbox_element(element->sender, element->mid, element->stages,
                                            element->copy_content_to_message());
      caf_base::enqueue(std::move(element), unit);
      return caf_base::enqueue(std::move(copy), unit);
    }
    case fault_verdict::kind::delay: {
      auto held = std::make_shared<caf::mailbox_element_ptr>(std::move(element));
      auto& clock = this->clock();
      clock.schedule_message(
          clock.now() + verdict.delay, this->ctrl(),
          caf::make_mailbox_element(this->ctrl(), caf::make_message_id(), {}, held_message{held}));
    }
    }
  }

protected:
  /// The handlers, made once; they reach the state through members.
  virtual behavior_type handlers() = 0;
  /// (Re)builds the volatile state: called before the first message and again after an exception.
  virtual void on_start() {}
  /// Called when the actor ends for good, before its children are told to.
  virtual void ended() {}

private:
  struct child_record {
    caf::strong_actor_ptr ptr;
    std::function<void(const caf::error&)> on_down;
  };

  template <class F>
  void guarded(caf::mailbox_element& x, F f) {
    try {
      f();
    } catch (const std::exception& e) {
      restart_in_place(x, e.what());
    } catch (...) {
      restart_in_place(x, "an exception of unknown type");
    }
  }

  void restart_in_place(caf::mailbox_element& x, const std::string& what) {
    ++life_;
    deadlines_.clear();
    armed_.reset();
    if (x.mid.is_request() && x.sender)
      x.sender->enqueue(caf::make_mailbox_element(this->ctrl(), x.mid.response_id(), {},
                                                  make_error(errc::internal, path_ + ": " + what)),
                        this->context());
    on_start();
    // The news of a child's end must not be lost with the handler that was to take it.
    auto& content = x.content();
    if (content.template match_elements<caf::down_msg>())
      child_down(content.template get_as<caf::down_msg>(0));
  }

  /// Only messages between actors may be lost: not exits, downs, time-outs, nor what an actor tells itself.
  bool may_fail(caf::mailbox_element& e) const {
    auto& c = e.content();
    return !c.template match_elements<caf::exit_msg>() && !c.template match_elements<caf::down_msg>()
           && !c.template match_elements<caf::timeout_msg>() && !c.template match_elements<held_message>()
           && e.sender.get() != const_cast<base_actor*>(this)->ctrl();
  }

  void trace(const caf::mailbox_element& x) {
    if (env_->trace) env_->trace->delivered(path_, x, now(), caf::strong_actor_ptr{this->ctrl()});
  }

  void run_due() {
    // What is added meanwhile waits for the next round: a deadline that renews itself keeps no mail out.
    auto t = now();
    for (auto left = deadlines_.size(); left > 0; --left) {
      auto f = deadlines_.pop_due(t);
      if (!f) break;
      f();
    }
    arm();
  }

  void arm() {
    auto next = deadlines_.next();
    if (!next || (armed_ && *armed_ <= *next)) return;
    armed_ = next;
    this->clock().set_ordinary_timeout(*next, this, detail::deadline_atom, ++timeout_id_);
  }

  void child_down(const caf::down_msg& down) {
    auto i = children_.find(down.source);
    if (i == children_.end()) return;
    auto on_down = i->second.on_down;
    children_.erase(i);
    if (on_down) on_down(down.reason);
  }

  env_ptr env_;
  std::string path_;
  deadline_set deadlines_;
  std::optional<clock_time> armed_;
  uint64_t timeout_id_ = 0;
  uint64_t life_ = 0;
  std::map<caf::actor_addr, child_record> children_;
};

} // namespace podium

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(podium::held_message)
