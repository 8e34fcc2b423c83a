#pragma once

#include "system/kernel.hpp"
#include "system/os_error.hpp"

#include <utility>
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

  int fd() const noexcept { return fd_.get(); }
  /// The signals that came since, each as often as the kernel kept it; empty when there are none.
  std::vector<int> take();

private:
  explicit signal_source(descriptor fd) noexcept : fd_(std::move(fd)) {}
  descriptor fd_;
};

} // namespace tonel::sys
