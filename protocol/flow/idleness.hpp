#pragma once

#include "protocol/time.hpp"

#include <utility>

namespace tonel::protocol::flow {

/// Notices when no datagram passes for a while, and when one does again; each is reported once.
class idleness {
public:
  /// timeout: after the last datagram; 0: never idle
  explicit idleness(duration timeout) noexcept : timeout_(timeout) {}

  /// Datagrams may pass from now on.
  void begin(time_point now) noexcept { last_ = now; }
  /// A datagram was received. True: report that the idleness has ended.
  [[nodiscard]] bool received(time_point now) noexcept {
    last_ = now;
    return std::exchange(idle_, false);
  }
  /// A datagram was sent. Its effects come by the next timer, which is then due at once (woke()).
  void sent(time_point now) noexcept {
    last_ = now;
    if (!idle_) return;
    idle_ = false;
    woke_ = true;
  }
  /// True once, after sent() has ended the idleness: report it.
  [[nodiscard]] bool take_woke() noexcept { return std::exchange(woke_, false); }
  /// True once, when the idleness begins: report it.
  [[nodiscard]] bool take_idle(time_point now) noexcept {
    if (now < deadline()) return false;
    idle_ = true;
    return true;
  }

  /// take_woke() would be true.
  bool woke() const noexcept { return woke_; }
  /// The time of the last datagram, either way.
  time_point last() const noexcept { return last_; }
  /// When to call take_idle(); time_point::max(): never.
  time_point deadline() const noexcept {
    return idle_ || timeout_ <= duration::zero() ? time_point::max() : last_ + timeout_;
  }

private:
  time_point last_{};
  duration timeout_;
  bool idle_ = false;
  bool woke_ = false;
};

} // namespace tonel::protocol::flow
