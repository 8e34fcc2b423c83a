#pragma once

#include "system/kernel.hpp"
#include "system/os_error.hpp"

#include <utility>
#include <vector>

namespace tonel::sys {

/// Reads signals from a descriptor, instead of by handlers.
/// Owns:   the descriptor; the signals stay blocked
/// Thread: one at a time
class signal_source {
public:
  /// Blocks the signals in the calling thread and so in all threads that it starts later: call it
  /// before the first.
  /// Errors: those of pthread_sigmask and signalfd; end the process
  static result<signal_source> open(const std::vector<int>& signals);

  int fd() const noexcept { return fd_.get(); }
  /// The signals since the last call, each as often as the kernel kept it.
  std::vector<int> take();

private:
  explicit signal_source(descriptor fd) noexcept : fd_(std::move(fd)) {}
  descriptor fd_;
};

} // namespace tonel::sys
