#pragma once

#include "system/event_loop.hpp"
#include "system/kernel.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <utility>

namespace tonel::sys {

/// The part of an event loop for clocks, timers and other threads; each system adds descriptors.
/// Shape:  wait() calls begin_wait(), its system call, end_wait(); wake() calls took_sleeper()
class timed_loop : public event_loop {
public:
  protocol::time_point now() const noexcept final { return now_; }

  bool resumed() noexcept final {
    // Both clocks are read only after one has jumped far enough.
    constexpr protocol::duration suspended_for = std::chrono::seconds{10};
    if (now_ - std::exchange(looked_, now_) <= suspended_for) return false;
    const auto asleep = boottime().time_since_epoch() - awake();
    return asleep - std::exchange(asleep_, asleep) > suspended_for;
  }

  void rest(protocol::duration time) noexcept final { kernel_.sleep(time.count()); }

  timer_wheel& timers() noexcept final { return wheel_; }

protected:
  /// boot_clock: includes suspend; awake_clock: does not
  timed_loop(kernel& k, int boot_clock, int awake_clock)
      : kernel_(k), boot_clock_(boot_clock), awake_clock_(awake_clock), now_(boottime()),
        asleep_(now_.time_since_epoch() - awake()), wheel_(now_) {}

  /// The longest time for the system call: until the next timer or the limit; negative: no limit.
  protocol::duration begin_wait(protocol::duration limit) noexcept {
    auto running = state::running;
    if (!state_.compare_exchange_strong(running, state::sleeping, std::memory_order_acq_rel))
      return protocol::duration::zero(); // woken already
    const auto next = wheel_.next();
    if (!next || limit == protocol::duration::zero()) return limit;
    // Not now_: work since the last wait has taken time.
    const auto left = std::max(*next - boottime(), protocol::duration::zero());
    return limit < protocol::duration::zero() ? left : std::min(limit, left);
  }

  void end_wait() noexcept {
    // From here on wake() sees `running` and makes no system call; messages queued before it are
    // seen after this.
    state_.exchange(state::running, std::memory_order_acq_rel);
    now_ = boottime();
  }

  /// Whether wake() has to end a wait: one is under way, and no other thread ends it.
  bool took_sleeper() noexcept {
    return state_.exchange(state::woken, std::memory_order_acq_rel) == state::sleeping;
  }

  kernel& kernel_;

private:
  enum class state : std::uint8_t { running, sleeping, woken };

  protocol::time_point boottime() noexcept {
    return protocol::time_point{protocol::duration{kernel_.clock(boot_clock_)}};
  }
  protocol::duration awake() noexcept { return protocol::duration{kernel_.clock(awake_clock_)}; }

  int boot_clock_;
  int awake_clock_;
  protocol::time_point now_;
  protocol::time_point looked_ = now_; ///< when resumed() was last asked
  protocol::duration asleep_;          ///< difference of the clocks: time in suspend
  timer_wheel wheel_;
  std::atomic<state> state_{state::running};
};

} // namespace tonel::sys
