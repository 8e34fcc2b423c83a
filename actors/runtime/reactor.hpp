#pragma once

#include "actors/runtime/coalescing.hpp"
#include "protocol/time.hpp"
#include "system/event_loop.hpp"

#include <caf/actor_config.hpp>
#include <caf/actor_system.hpp>
#include <caf/execution_unit.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/resumable.hpp>
#include <caf/scheduled_actor.hpp>
#include <caf/spawn_options.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace tonel::actors {

/// A watched descriptor is ready. Only delivered to its owner, never sent.
struct fd_event {
  std::uint64_t watch = 0;
  bool readable = false;
  bool writable = false;
  bool failed = false;
};
/// The actor's timer has expired. Only delivered to its owner, never sent.
struct timer_event {};

class reactor_actor;

/// An event loop that is a CAF execution unit: actors spawned on it run on its thread, their
/// mailboxes are drained between two waits, and readiness of a descriptor is delivered to its owner
/// as a message, so that an exception only ends that actor.
/// Owns:   a reference to each actor with a watch or timer, until that is released
/// Thread: one (that of start(), or the caller of run_once()); exec_later() and stop() any
class reactor : public caf::execution_unit {
public:
  using watch_id = std::uint64_t;

  reactor(caf::actor_system& system, std::unique_ptr<sys::event_loop> loop);
  ~reactor() override;
  reactor(const reactor&) = delete;
  reactor& operator=(const reactor&) = delete;

  /// Runs a job (an actor with messages) on this loop; takes over the caller's reference.
  void exec_later(caf::resumable* job) override;

  /// Starts the thread. name: in the log, and for tools such as ps (15 characters at most)
  void start(const std::string& name);
  /// Ends the thread. Call it after await_all_actors_done(), when no actor of this reactor is left.
  void stop();
  /// Makes one pass: queued messages, then descriptors and timers; waits at most `limit` (negative:
  /// no limit) if nothing is queued. Tests call it instead of start().
  void run_once(protocol::duration limit);
  /// Whether no message or timer has been put off to the next pass.
  bool is_done() const noexcept { return jobs_.empty() && next_expired_ == expired_.size(); }

  /// hook: called between passes, on the loop's thread (to collect slabs)
  void set_between_passes(std::function<void()> hook) { between_passes_ = std::move(hook); }
  /// hook: called after each resume from suspend, on the loop's thread
  void set_on_resume(std::function<void()> hook) { on_resume_ = std::move(hook); }
  /// most: the longest rest after a pass whose readers found several datagrams, so that the next
  ///       finds more of them together (as rx-usecs of network cards does); zero: never
  void set_coalescing(protocol::duration most) noexcept { coalescing_.set_most(most); }
  /// For readers: adds datagrams found in this pass.
  void found(std::size_t datagrams) noexcept { found_ += datagrams; }
  /// Makes a sleeping loop pass once. Thread: any
  void nudge() noexcept;

  protocol::time_point now() const noexcept { return loop_->now(); }
  /// For how long messages or timers have always had to wait for the next pass, since more come
  /// than are done. Actors that can refuse work do so then.
  protocol::duration behind() const noexcept { return loop_->now() - caught_up_; }
  /// The actor that handles a message on this thread now.
  static reactor_actor& running() noexcept { return *current()->running_.back(); }

  // For reactor_actor, on the loop's thread. keep: an owner of the descriptor, kept as long as the
  // watch, so that its number is not used again while it is watched.
  watch_id watch(int fd, sys::interest what, reactor_actor* owner,
                 std::shared_ptr<void> keep = nullptr);
  void change(watch_id watch, sys::interest what) noexcept;
  void forget(watch_id watch) noexcept;
  sys::timer_wheel::timer_id create_timer(reactor_actor* owner);
  sys::timer_wheel& timers() noexcept { return loop_->timers(); }
  /// at: none disarms the timer. A due timer whose turn has not come is forgotten in any case.
  void arm_timer(sys::timer_wheel::timer_id timer, std::optional<protocol::time_point> at);
  void destroy_timer(sys::timer_wheel::timer_id timer) noexcept;

  /// Whether an actor of this reactor is at rest with an empty mailbox, so that a direct call
  /// overtakes no message.
  bool is_idle(reactor_actor& actor) const noexcept;
  /// For reactor_actor: makes `actor` the running() one as long as it lives.
  class running_scope {
  public:
    running_scope(reactor& on, reactor_actor& actor) : on_(on) { on_.running_.push_back(&actor); }
    ~running_scope() { on_.running_.pop_back(); }
    running_scope(const running_scope&) = delete;
    running_scope& operator=(const running_scope&) = delete;

  private:
    reactor& on_;
  };

  /// Spawns a function-based pinned actor on this reactor. Thread: any
  template <class Function, class... Ts> caf::actor spawn(Function function, Ts&&... xs) {
    caf::actor_config config{this};
    return system().spawn_functor<caf::no_spawn_options>(std::true_type{}, config, function,
                                                         std::forward<Ts>(xs)...);
  }

private:
  // The watch or timer of a token of the event loop: generation << 32 | index.
  struct slot {
    caf::strong_actor_ptr owner_ref;
    reactor_actor* owner = nullptr;
    std::shared_ptr<void> keep;
    int fd = -1; // -1: a timer
    sys::timer_wheel::timer_id timer = 0;
    std::uint32_t generation = 0;
    bool due = false; ///< a timer whose turn has not come yet
  };
  std::uint64_t take_slot(reactor_actor* owner);
  slot* find(std::uint64_t token) noexcept;
  void release(std::uint64_t token) noexcept;
  template <class Event> void deliver(std::uint64_t token, const Event& event);
  /// Lets an actor at rest handle the event of its descriptor or timer within this call.
  template <class Event> void hand(reactor_actor& actor, const Event& event);
  void run_jobs();
  void fire_timers();
  void take_inbox();
  static reactor*& current() noexcept;

  std::unique_ptr<sys::event_loop> loop_;
  std::function<void()> between_passes_;
  std::function<void()> on_resume_;
  coalescing coalescing_;
  std::vector<reactor_actor*> running_; ///< actors that handle messages, the innermost last
  std::size_t found_ = 0;
  protocol::time_point caught_up_{};
  std::array<sys::ready_event, 64> ready_{}; ///< events of this pass
  std::thread thread_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> has_inbox_{false};
  std::mutex inbox_mutex_;
  std::vector<caf::resumable*> inbox_;
  std::deque<caf::resumable*> jobs_;
  std::deque<slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::vector<std::uint64_t> timer_tokens_; ///< indexed by timer id
  std::vector<std::uint64_t> expired_;      ///< tokens of due timers
  std::size_t next_expired_ = 0;            ///< index of the next one whose turn it is
};

} // namespace tonel::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::fd_event)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::timer_event)
