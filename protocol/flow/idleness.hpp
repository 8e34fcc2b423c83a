#pragma once

#include "protocol/time.hpp"

#include <utility>

namespace tonel::protocol::flow {

/// Whether datagrams pass: a stream says once that none has for a while, and once that one does again.
class idleness {
public:
  /// timeout: 0: never idle
  explicit idleness(duration timeout) noexcept : timeout_(timeout) {}

  /// The stream has come so far that datagrams may pass.
  void begin(time_point now) noexcept { last_ = now; }
  /// A datagram came. True: it ended the idleness, which is to be said.
  [[nodiscard]] bool received(time_point now) noexcept {
    last_ = now;
    return std::exchange(idle_, false);
  }
  /// A datagram went. Nothing can be said at that moment: it is by the next timer, due at once.
  void sent(time_point now) noexcept {
    last_ = now;
    if (!idle_) return;
    idle_ = false;
    woke_ = true;
  }
  /// The idleness has ended, which is to be said; true once.
  [[nodiscard]] bool take_woke() noexcept { return std::exchange(woke_, false); }
  /// It begins; true once.
  [[nodiscard]] bool take_idle(time_point now) noexcept {
    if (now < deadline()) return false;
    idle_ = true;
    return true;
  }

  bool woke() const noexcept { return woke_; }
  /// When a datagram last passed, either way.
  time_point last() const noexcept { return last_; }
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
