#pragma once

#include "actors/reactor.hpp"

#include <caf/actor_cast.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/stateful_actor.hpp>

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace tonel::actors {

struct inbound_batch;
struct datagram_batch;
struct segment_batch;

/// A handle, and whether its actor lives on the same reactor as the holder's: then batches need not go
/// through its mailbox (reactor_actor::pass).
template <class Handle> class neighbour {
public:
  neighbour() = default;
  /// loop: the holder's
  neighbour(Handle handle, const reactor& loop);

  const Handle& handle() const noexcept { return handle_; }
  explicit operator bool() const noexcept { return bool{handle_}; }

private:
  friend class reactor_actor;
  Handle handle_;
  reactor_actor* local_ = nullptr; ///< alive as long as the handle
};

/// Base of every actor of ours: runs on the reactor that it was spawned on, whoever sends to it.
class reactor_actor : public caf::event_based_actor {
public:
  explicit reactor_actor(caf::actor_config& config);
  ~reactor_actor() override;

  using caf::event_based_actor::enqueue;
  /// Resumed by its own reactor, not by the sender's execution unit.
  void enqueue(caf::mailbox_element_ptr element, caf::execution_unit* sender_unit) override;
  /// As CAF's own brokers say it: bound to one thread.
  subtype_t subtype() const override { return caf::resumable::io_actor; }
  resume_result resume(caf::execution_unit* unit, std::size_t max_throughput) override;
  bool cleanup(caf::error&& reason, caf::execution_unit* unit) override;

  /// What an exception in a handler ends this actor with, logged. Supervisors call `before` first, to
  /// take their children along.
  void on_fault(std::function<void()> before);

  reactor& loop() noexcept { return loop_; }
  protocol::time_point now() const noexcept { return loop_.now(); }

  /// Sends; an idle neighbour on this reactor handles the message within this call, which costs a
  /// third. What comes back to this actor meanwhile waits in its mailbox. The content of the message is
  /// gone or of no use then, but the memory that a neighbour has left of it may be used again.
  template <class Handle, class Message> void pass(const neighbour<Handle>& to, Message& message) {
    if (to.local_ == nullptr || !loop_.is_idle(*to.local_)) {
      send(to.handle_, std::move(message));
      return;
    }
    // `to` is this actor's, which is busy here: the receiver outlives the call.
    loop_.hand(*to.local_, std::move(message));
  }

  /// Delivers fd_event to this actor until it ends.
  reactor::watch_id watch(int fd, std::shared_ptr<void> keep = nullptr);
  void unwatch(reactor::watch_id watch) noexcept;
  /// Delivers timer_event at `at`; one timer an actor, armed again it moves. Nothing: disarmed.
  void arm(std::optional<protocol::time_point> at);

  /// Handles what the loop or a neighbour hands over, if the state has a handler of its own for it
  /// (`on`, see pinned), without looking for it in the behaviour; what that throws ends this actor.
  /// False: it has none.
  template <class Message> bool take_handed(Message& message) {
    context(&loop_);
    try {
      if (!take(message)) return false;
    } catch (...) { // as CAF does with what the handlers of a behaviour throw
      quit(fault(std::current_exception()));
    }
    finalize();
    return true;
  }

protected:
  virtual bool take(const fd_event& event);
  virtual bool take(timer_event event);
  virtual bool take(inbound_batch& batch);
  virtual bool take(datagram_batch& batch);
  virtual bool take(segment_batch& batch);

private:
  caf::error fault(const std::exception_ptr& thrown);

  reactor& loop_;
  std::function<void()> before_fault_;
  std::vector<reactor::watch_id> watches_;
  std::optional<sys::timer_wheel::timer_id> timer_;
  std::optional<protocol::time_point> armed_at_;
};

template <class Handle>
neighbour<Handle>::neighbour(Handle handle, const reactor& loop) : handle_(std::move(handle)) {
  if (!handle_) return;
  auto* actor = dynamic_cast<reactor_actor*>(caf::actor_cast<caf::abstract_actor*>(handle_));
  if (actor != nullptr && &actor->loop() == &loop) local_ = actor;
}

template <class Message> void reactor::hand(reactor_actor& actor, Message&& message) {
  const running_scope scope{*this, actor};
  if (actor.take_handed(message)) return;
  caf::mailbox_element_vals<std::decay_t<Message>> element{
      caf::strong_actor_ptr{}, caf::make_message_id(), caf::mailbox_element::forwarding_stack{},
      std::forward<Message>(message)};
  actor.activate(this, element);
}

template <class State, class Message, class = void> struct has_handler : std::false_type {};
template <class State, class Message>
struct has_handler<State, Message,
                   std::void_t<decltype(std::declval<State&>().on(std::declval<Message&>()))>>
    : std::true_type {};

/// Calls the `on` of a state.
template <class State> class state_actor : public reactor_actor {
public:
  using reactor_actor::reactor_actor;

private:
  bool take(const fd_event& event) override { return give(event); }
  bool take(timer_event event) override { return give(event); }
  bool take(inbound_batch& batch) override { return give(batch); }
  bool take(datagram_batch& batch) override { return give(batch); }
  bool take(segment_batch& batch) override { return give(batch); }
  template <class Message> bool give(Message& message);
};

/// An actor with state on a reactor: `behavior f(pinned<f_state>* self, ...)`. A state whose actor is
/// handed batches or events often has an `on(message)` for them, which its behaviour calls, too.
template <class State> using pinned = caf::stateful_actor<State, state_actor<State>>;

template <class State>
template <class Message>
bool state_actor<State>::give([[maybe_unused]] Message& message) {
  if constexpr (has_handler<State, Message>::value) {
    static_cast<pinned<State>&>(*this).state.on(message);
    return true;
  } else {
    return false;
  }
}

/// The state of the actor whose handler this is, for behaviours without captures: one serves all
/// actors of a kind, where there are thousands, and stays in the cache.
template <class State> State& state_of_handler() noexcept {
  return static_cast<pinned<State>&>(reactor::running()).state;
}

} // namespace tonel::actors
