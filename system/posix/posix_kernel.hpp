#pragma once

#include "system/kernel.hpp"

#include <cerrno>

namespace tonel::sys {

/// Repeats the call while signals interrupt it; an error becomes the negative errno.
template <class Call> auto retried(Call call) noexcept -> decltype(call()) {
  for (;;) {
    const auto r = call();
    if (r >= 0) return r;
    if (errno != EINTR) return static_cast<decltype(call())>(-errno);
  }
}

/// The calls that Linux and macOS have in common; a class of each adds the others.
class posix_kernel : public kernel {
public:
  int open(const char* path, int flags) noexcept final;
  int close(int fd) noexcept final;
  int ioctl(int fd, unsigned long request, void* argument) noexcept final;
  long read(int fd, void* buffer, std::size_t size) noexcept final;
  long write(int fd, const void* buffer, std::size_t size) noexcept final;
  long readv(int fd, const iovec* pieces, int count) noexcept final;
  long writev(int fd, const iovec* pieces, int count) noexcept final;

  int bind(int fd, const sockaddr* address, unsigned length) noexcept final;
  int connect(int fd, const sockaddr* address, unsigned length) noexcept final;
  int getsockname(int fd, sockaddr* address, unsigned* length) noexcept final;
  int getsockopt(int fd, int level, int name, void* value, unsigned* length) noexcept final;
  int setsockopt(int fd, int level, int name, const void* value, unsigned length) noexcept final;
  long send(int fd, const void* buffer, std::size_t size, int flags) noexcept final;
  long recv(int fd, void* buffer, std::size_t size, int flags) noexcept final;
};

} // namespace tonel::sys
