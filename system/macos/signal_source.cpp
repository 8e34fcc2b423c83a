#include "system/signal_source.hpp"

#include "system/posix/blocked_signals.hpp"

#include <fcntl.h>
#include <sys/event.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace tonel::sys {

result<signal_source> signal_source::open(const std::vector<int>& signals) {
  const auto set = block_signals(signals);
  if (!set) return unexpected{set.error()};
  const int fd = ::kqueue();
  if (fd < 0) return unexpected{os_error{errno, "kqueue", {}}};
  signal_source out{{real_kernel(), fd}};
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  // It hears of a signal when it is sent, blocked or not; what is blocked then stays pending.
  for (const int s : signals) {
    struct kevent e {};
    EV_SET(&e, static_cast<uintptr_t>(s), EVFILT_SIGNAL, EV_ADD, 0, 0, nullptr);
    if (::kevent(fd, &e, 1, nullptr, 0, nullptr) != 0)
      return unexpected{os_error{errno, "kevent", "EVFILT_SIGNAL"}};
  }
  return out;
}

std::vector<int> signal_source::take() {
  std::vector<int> signals;
  const timespec now{};
  for (;;) {
    struct kevent e {};
    const int n = ::kevent(fd_.get(), nullptr, 0, &e, 1, &now);
    if (n < 0 && errno == EINTR) continue;
    if (n != 1) return signals;
    // data: how often it was sent since.
    signals.insert(signals.end(), static_cast<std::size_t>(e.data), static_cast<int>(e.ident));
  }
}

} // namespace tonel::sys
