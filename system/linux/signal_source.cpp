#include "system/signal_source.hpp"

#include "system/posix/blocked_signals.hpp"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>

namespace tonel::sys {

result<signal_source> signal_source::open(const std::vector<int>& signals) {
  const auto set = block_signals(signals);
  if (!set) return unexpected{set.error()};
  const int fd = ::signalfd(-1, &*set, SFD_NONBLOCK | SFD_CLOEXEC);
  if (fd < 0) return unexpected{os_error{errno, "signalfd", {}}};
  return signal_source{{real_kernel(), fd}};
}

std::vector<int> signal_source::take() {
  std::vector<int> signals;
  signalfd_siginfo info{};
  for (;;) {
    const auto n = ::read(fd_.get(), &info, sizeof info);
    if (n < 0 && errno == EINTR) continue;
    if (n != static_cast<ssize_t>(sizeof info)) return signals;
    signals.push_back(static_cast<int>(info.ssi_signo));
  }
}

} // namespace tonel::sys
