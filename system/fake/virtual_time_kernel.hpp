#pragma once

#include "system/kernel.hpp"

#include <time.h>

#include <cstdint>

namespace tonel::sys {

/// This machine's kernel with virtual time: a wait ends at once, and advances the clocks by its
/// timeout. Descriptors are real, so that event loops and actors run unchanged, and an hour of
/// their timers takes no time.
/// Shape: a wait without timeout is real, since only a descriptor can end it
class virtual_time_kernel : public kernel {
public:
  std::int64_t boottime = 1'000'000'000'000;
  std::int64_t monotonic = 1'000'000'000'000;
  void advance(std::int64_t nanoseconds) noexcept {
    boottime += nanoseconds;
    monotonic += nanoseconds;
  }

  int epoll_wait(int epoll, epoll_event* events, int capacity,
                 std::int64_t timeout) noexcept override {
    const int n = real_.epoll_wait(epoll, events, capacity, timeout < 0 ? timeout : 0);
    if (n == 0 && timeout > 0) advance(timeout);
    return n;
  }
  void sleep(std::int64_t nanoseconds) noexcept override { advance(nanoseconds); }
  std::int64_t clock(int which) noexcept override {
    return which == CLOCK_BOOTTIME ? boottime : monotonic;
  }

  int open(const char* path, int flags) noexcept override { return real_.open(path, flags); }
  int close(int fd) noexcept override { return real_.close(fd); }
  int ioctl(int fd, unsigned long request, void* argument) noexcept override {
    return real_.ioctl(fd, request, argument);
  }
  long read(int fd, void* buffer, std::size_t size) noexcept override {
    return real_.read(fd, buffer, size);
  }
  long write(int fd, const void* buffer, std::size_t size) noexcept override {
    return real_.write(fd, buffer, size);
  }
  long readv(int fd, const iovec* pieces, int count) noexcept override {
    return real_.readv(fd, pieces, count);
  }
  long writev(int fd, const iovec* pieces, int count) noexcept override {
    return real_.writev(fd, pieces, count);
  }
  int socket(int domain, int type, int protocol) noexcept override {
    return real_.socket(domain, type, protocol);
  }
  int bind(int fd, const sockaddr* address, unsigned length) noexcept override {
    return real_.bind(fd, address, length);
  }
  int connect(int fd, const sockaddr* address, unsigned length) noexcept override {
    return real_.connect(fd, address, length);
  }
  int getsockname(int fd, sockaddr* address, unsigned* length) noexcept override {
    return real_.getsockname(fd, address, length);
  }
  int setsockopt(int fd, int level, int name, const void* value,
                 unsigned length) noexcept override {
    return real_.setsockopt(fd, level, name, value, length);
  }
  long send(int fd, const void* buffer, std::size_t size, int flags) noexcept override {
    return real_.send(fd, buffer, size, flags);
  }
  long recv(int fd, void* buffer, std::size_t size, int flags) noexcept override {
    return real_.recv(fd, buffer, size, flags);
  }
  int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags) noexcept override {
    return real_.recvmmsg(fd, messages, count, flags);
  }
  int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) noexcept override {
    return real_.sendmmsg(fd, messages, count, flags);
  }
  int epoll_create() noexcept override { return real_.epoll_create(); }
  int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept override {
    return real_.epoll_ctl(epoll, operation, fd, event);
  }
  int eventfd() noexcept override { return real_.eventfd(); }
  int clock_change_fd() noexcept override { return real_.clock_change_fd(); }

private:
  kernel& real_ = real_kernel();
};

} // namespace tonel::sys
