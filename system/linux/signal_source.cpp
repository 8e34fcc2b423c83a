#include "system/signal_source.hpp"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace tonel::sys {

result<signal_source> signal_source::open(const std::vector<int>& signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int s : signals)
    sigaddset(&set, s);
  if (const int e = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); e != 0)
    return unexpected{os_error{e, "pthread_sigmask", {}}};
  const int fd = ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  if (fd < 0) return unexpected{os_error{errno, "signalfd", {}}};
  return signal_source{fd};
}

signal_source::signal_source(signal_source&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

signal_source::~signal_source() {
  if (fd_ >= 0) ::close(fd_);
}

std::vector<int> signal_source::take() {
  std::vector<int> signals;
  signalfd_siginfo info{};
  for (;;) {
    const auto n = ::read(fd_, &info, sizeof info);
    if (n < 0 && errno == EINTR) continue;
    if (n != static_cast<ssize_t>(sizeof info)) return signals;
    signals.push_back(static_cast<int>(info.ssi_signo));
  }
}

} // namespace tonel::sys
