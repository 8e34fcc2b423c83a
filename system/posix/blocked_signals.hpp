#pragma once

#include "system/os_error.hpp"

#include <signal.h>

#include <vector>

namespace tonel::sys {

/// Blocks the signals in the calling thread; gives them as a set.
inline result<sigset_t> block_signals(const std::vector<int>& signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int s : signals)
    sigaddset(&set, s);
  if (const int e = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); e != 0)
    return unexpected{os_error{e, "pthread_sigmask", {}}};
  return set;
}

} // namespace tonel::sys
