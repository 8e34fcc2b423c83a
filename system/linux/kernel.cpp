#include "system/kernel.hpp"

#include "system/posix/posix_kernel.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <limits>

namespace tonel::sys {

namespace {

class linux_kernel final : public posix_kernel {
public:
  int socket(int domain, int type, int protocol) noexcept override {
    return retried([=] { return ::socket(domain, type | SOCK_CLOEXEC, protocol); });
  }
  int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags) noexcept override {
    return retried([=] { return ::recvmmsg(fd, messages, count, flags, nullptr); });
  }
  int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) noexcept override {
    return retried([=] { return ::sendmmsg(fd, messages, count, flags); });
  }

  int epoll_create() noexcept override {
    return retried([] { return ::epoll_create1(EPOLL_CLOEXEC); });
  }
  int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept override {
    return retried([=] { return ::epoll_ctl(epoll, operation, fd, event); });
  }
  int epoll_wait(int epoll, epoll_event* events, int capacity,
                 std::int64_t timeout) noexcept override {
    // A signal may end the wait early: the caller looks at its clock and waits again.
#ifdef SYS_epoll_pwait2
    if (timeout > 0 && has_pwait2_.load(std::memory_order_relaxed)) {
      constexpr std::int64_t second = 1'000'000'000;
      const timespec t{static_cast<time_t>(timeout / second), static_cast<long>(timeout % second)};
      // By syscall(), since the C library's wrapper is younger than many kernels.
      const auto n =
          ::syscall(SYS_epoll_pwait2, epoll, events, capacity, &t, nullptr, std::size_t{8});
      if (n >= 0) return static_cast<int>(n);
      if (errno == EINTR) return 0;
      if (errno != ENOSYS && errno != EPERM) return -errno; // EPERM: an old seccomp filter
      has_pwait2_.store(false, std::memory_order_relaxed);
    }
#endif
    constexpr std::int64_t millisecond = 1'000'000;
    const auto rounded = timeout < 0 ? -1 : (timeout + millisecond - 1) / millisecond;
    const auto n = ::epoll_wait(epoll, events, capacity,
                                rounded > INT_MAX ? INT_MAX : static_cast<int>(rounded));
    if (n >= 0) return n;
    return errno == EINTR ? 0 : -errno;
  }
  int eventfd() noexcept override {
    return retried([] { return ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); });
  }
  int clock_change_fd() noexcept override {
    const int fd =
        retried([] { return ::timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK); });
    if (fd < 0) return fd;
    itimerspec never{};
    never.it_value.tv_sec = std::numeric_limits<time_t>::max();
    const int armed = retried([&] {
      return ::timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, nullptr);
    });
    if (armed >= 0) return fd;
    ::close(fd);
    return armed;
  }
  void sleep(std::int64_t nanoseconds) noexcept override {
    const timespec t{0, static_cast<long>(nanoseconds)};
    ::clock_nanosleep(CLOCK_MONOTONIC, 0, &t, nullptr);
  }
  std::int64_t clock(int which) noexcept override {
    timespec t{};
    ::clock_gettime(which, &t);
    return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
  }

private:
  std::atomic<bool> has_pwait2_{true};
};

} // namespace

kernel& real_kernel() noexcept {
  static linux_kernel k;
  return k;
}

} // namespace tonel::sys
