#pragma once

#include "actors/runtime/reactor.hpp"

#include <caf/actor_cast.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/stateful_actor.hpp>

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

namespace tonel::actors {

/// Base of all our actors: runs on the reactor that it was spawned on, whoever sends to it.
class reactor_actor : public caf::event_based_actor {
public:
  explicit reactor_actor(caf::actor_config& config);
  ~reactor_actor() override;

  using caf::event_based_actor::enqueue;
  /// Queues a message; the actor's own reactor runs it, not the sender's execution unit.
  void enqueue(caf::mailbox_element_ptr element, caf::execution_unit* sender_unit) override;
  /// Bound to one thread, like CAF's brokers.
  subtype_t subtype() const override { return caf::resumable::io_actor; }
  resume_result resume(caf::execution_unit* unit, std::size_t max_throughput) override;
  bool cleanup(caf::error&& reason, caf::execution_unit* unit) override;

  /// before: called when an exception in a handler ends this actor, so that a supervisor ends its
  ///         children
  void on_fault(std::function<void()> before);

  reactor& loop() noexcept { return loop_; }
  protocol::time_point now() const noexcept { return loop_.now(); }

  /// Delivers fd_event to this actor until it ends.
  reactor::watch_id watch(int fd, std::shared_ptr<void> keep = nullptr);
  /// Ends a watch.
  void unwatch(reactor::watch_id watch) noexcept;
  /// Delivers timer_event at `at`. An actor has one timer, which this moves; none: disarms it.
  void arm(std::optional<protocol::time_point> at);

  /// The inlet for batches of this kind, as inlet<Batch>* (inlet.hpp); null: they come by the
  /// mailbox.
  virtual void* find_inlet(const std::type_info& batch) noexcept;

  /// Runs a handler at once, as if a message had come. Only call it for an actor at rest; an
  /// exception of the handler ends this actor.
  template <class Handler> void take_now(Handler handler) {
    const reactor::running_scope scope{loop_, *this};
    context(&loop_);
    try {
      handler();
    } catch (...) { // as CAF does for handlers of a behaviour
      quit(fault(std::current_exception()));
    }
    finalize();
  }

  /// Events of the loop, for states with a handler of their own (`on`, see pinned). False: use the
  /// behaviour's handler.
  virtual bool take(const fd_event& event);
  virtual bool take(timer_event event);

  /// Of watch(), in order.
  const std::vector<reactor::watch_id>& watches() const noexcept { return watches_; }

private:
  static constexpr auto disarmed = protocol::time_point::max();

  caf::error fault(const std::exception_ptr& thrown);

  reactor& loop_;
  // Three of these are there for each session: what few have is apart.
  std::unique_ptr<std::function<void()>> before_fault_;
  std::vector<reactor::watch_id> watches_;
  protocol::time_point armed_at_ = disarmed;
  std::optional<sys::timer_wheel::timer_id> timer_;
};

template <class Event> void reactor::hand(reactor_actor& actor, const Event& event) {
  bool taken = true; // stays true if the handler throws, which ends the actor
  actor.take_now([&] { taken = actor.take(event); });
  if (taken) return;
  const running_scope scope{*this, actor};
  caf::mailbox_element_vals<Event> element{caf::strong_actor_ptr{}, caf::make_message_id(),
                                           caf::mailbox_element::forwarding_stack{}, event};
  actor.activate(this, element);
}

template <class State, class Message, class = void> struct has_handler : std::false_type {};
template <class State, class Message>
struct has_handler<State, Message,
                   std::void_t<decltype(std::declval<State&>().on(std::declval<Message&>()))>>
    : std::true_type {};

/// Passes events to the `on` of a state, and finds its inlets.
template <class State> class state_actor : public reactor_actor {
public:
  using reactor_actor::reactor_actor;

private:
  bool take(const fd_event& event) override { return give(event); }
  bool take(timer_event event) override { return give(event); }
  void* find_inlet(const std::type_info& batch) noexcept override;
  template <class Event> bool give(Event& event);
};

/// An actor with state on a reactor: `behavior f(pinned<f_state>* self, ...)`. The state has an
/// `on(event)` if the actor gets many events, and derives from inlets<...> if it takes batches.
template <class State> using pinned = caf::stateful_actor<State, state_actor<State>>;

template <class State>
template <class Event>
bool state_actor<State>::give([[maybe_unused]] Event& event) {
  if constexpr (has_handler<State, Event>::value) {
    static_cast<pinned<State>&>(*this).state.on(event);
    return true;
  } else {
    return false;
  }
}

template <class State, class = void> struct has_inlets : std::false_type {};
template <class State>
struct has_inlets<State, std::void_t<decltype(std::declval<State&>().find_inlet(typeid(int)))>>
    : std::true_type {};

template <class State>
void* state_actor<State>::find_inlet([[maybe_unused]] const std::type_info& batch) noexcept {
  if constexpr (has_inlets<State>::value)
    return static_cast<pinned<State>&>(*this).state.find_inlet(batch);
  else
    return nullptr;
}

/// The state of the running actor, for behaviours without captures: one behaviour serves all actors
/// of a kind, perhaps thousands, and stays in the cache.
template <class State> State& state_of_handler() noexcept {
  return static_cast<pinned<State>&>(reactor::running()).state;
}

} // namespace tonel::actors
