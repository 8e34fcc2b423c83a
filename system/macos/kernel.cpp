#include "system/kernel.hpp"

#include "system/macos/abi.hpp"
#include "system/posix/platform.hpp"
#include "system/posix/posix_kernel.hpp"

#include <fcntl.h>
#include <sys/event.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

namespace tonel::sys {

namespace {

/// Descriptors are born inheritable here; commands are started with POSIX_SPAWN_CLOEXEC_DEFAULT, so
/// nothing is inherited in the moment before this.
int closed_at_exec(int fd) noexcept {
  if (fd >= 0) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  return fd;
}

struct kevent as_kevent(const darwin::queue_event& e) noexcept {
  struct kevent k {};
  EV_SET(&k, e.ident, e.filter, e.flags, e.filter_flags, e.data,
         reinterpret_cast<void*>(e.token)); // NOLINT(performance-no-int-to-ptr)
  return k;
}

class macos_kernel final : public posix_kernel {
public:
  int socket(int domain, int type, int protocol) noexcept override {
    return closed_at_exec(retried([=] { return ::socket(domain, type, protocol); }));
  }
  int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags) noexcept override {
    return one_by_one(messages, count,
                      [=](msghdr& m) { return ::recvmsg(fd, &m, flags | MSG_DONTWAIT); });
  }
  int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) noexcept override {
    return one_by_one(messages, count,
                      [=](msghdr& m) { return ::sendmsg(fd, &m, flags | MSG_DONTWAIT); });
  }

  int kqueue() noexcept override {
    return closed_at_exec(retried([] { return ::kqueue(); }));
  }
  int kevent(int queue, const darwin::queue_event* changes, int count, darwin::queue_event* events,
             int capacity, std::int64_t timeout) noexcept override {
    static_assert(sizeof(darwin::queue_event) == sizeof(struct ::kevent));
    constexpr int most_changes = 4;
    struct ::kevent asked[most_changes];
    if (count > most_changes) return -EINVAL;
    for (int i = 0; i < count; ++i)
      asked[i] = as_kevent(changes[i]);
    constexpr std::int64_t second = 1'000'000'000;
    const timespec t{static_cast<time_t>(timeout / second), static_cast<long>(timeout % second)};
    const int n = ::kevent(queue, asked, count, reinterpret_cast<struct ::kevent*>(events),
                           capacity, timeout < 0 ? nullptr : &t);
    if (n >= 0) return n;
    // The caller looks at its clock and waits again.
    return errno == EINTR ? 0 : -errno;
  }

  std::int64_t clock(int which) noexcept override {
    return static_cast<std::int64_t>(::clock_gettime_nsec_np(static_cast<clockid_t>(which)));
  }
  void sleep(std::int64_t nanoseconds) noexcept override {
    const timespec t{0, static_cast<long>(nanoseconds)};
    ::nanosleep(&t, nullptr);
  }

private:
  /// How many were taken or sent; a failure is the result only where it is the first.
  template <class Call>
  static int one_by_one(mmsghdr* messages, unsigned count, Call call) noexcept {
    for (unsigned i = 0; i < count; ++i) {
      const auto n = retried([&] { return call(messages[i].msg_hdr); });
      if (n < 0) return i == 0 ? static_cast<int>(n) : static_cast<int>(i);
      messages[i].msg_len = static_cast<unsigned>(n);
    }
    return static_cast<int>(count);
  }
};

} // namespace

kernel& real_kernel() noexcept {
  static macos_kernel k;
  return k;
}

} // namespace tonel::sys
