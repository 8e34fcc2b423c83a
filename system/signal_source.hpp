#pragma once

#include "system/os_error.hpp"

#include <vector>

namespace tonel::sys {

/// Signals as a readable descriptor instead of handlers.
/// Owns:   the descriptor; the signals stay blocked
/// Thread: one at a time
class signal_source {
public:
  /// Blocks the signals in the calling thread, and so in every thread that it starts later: call it
  /// before the first.
  static result<signal_source> open(const std::vector<int>& signals);
  signal_source(signal_source&& other) noexcept;
  signal_source& operator=(signal_source&&) = delete;
  ~signal_source();

  int fd() const noexcept { return fd_; }
  /// The signals that came since, each as often as the kernel kept it; empty when there are none.
  std::vector<int> take();

private:
  explicit signal_source(int fd) noexcept : fd_(fd) {}
  int fd_;
};

} // namespace tonel::sys
