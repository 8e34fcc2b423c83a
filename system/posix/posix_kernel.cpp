#include "system/posix/posix_kernel.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

namespace tonel::sys {

int posix_kernel::open(const char* path, int flags) noexcept {
  return retried([=] { return ::open(path, flags | O_CLOEXEC); });
}

int posix_kernel::close(int fd) noexcept {
  // On Linux and macOS the descriptor is closed even after EINTR.
  return ::close(fd) == 0 || errno == EINTR ? 0 : -errno;
}

int posix_kernel::ioctl(int fd, unsigned long request, void* argument) noexcept {
  return retried([=] { return ::ioctl(fd, request, argument); });
}

long posix_kernel::read(int fd, void* buffer, std::size_t size) noexcept {
  return retried([=] { return ::read(fd, buffer, size); });
}

long posix_kernel::write(int fd, const void* buffer, std::size_t size) noexcept {
  return retried([=] { return ::write(fd, buffer, size); });
}

long posix_kernel::readv(int fd, const iovec* pieces, int count) noexcept {
  return retried([=] { return ::readv(fd, pieces, count); });
}

long posix_kernel::writev(int fd, const iovec* pieces, int count) noexcept {
  return retried([=] { return ::writev(fd, pieces, count); });
}

int posix_kernel::bind(int fd, const sockaddr* address, unsigned length) noexcept {
  return retried([=] { return ::bind(fd, address, length); });
}

int posix_kernel::connect(int fd, const sockaddr* address, unsigned length) noexcept {
  return retried([=] { return ::connect(fd, address, length); });
}

int posix_kernel::getsockname(int fd, sockaddr* address, unsigned* length) noexcept {
  return retried([=] { return ::getsockname(fd, address, length); });
}

int posix_kernel::getsockopt(int fd, int level, int name, void* value, unsigned* length) noexcept {
  return retried([=] { return ::getsockopt(fd, level, name, value, length); });
}

int posix_kernel::setsockopt(int fd, int level, int name, const void* value,
                             unsigned length) noexcept {
  return retried([=] { return ::setsockopt(fd, level, name, value, length); });
}

long posix_kernel::send(int fd, const void* buffer, std::size_t size, int flags) noexcept {
  return retried([=] { return ::send(fd, buffer, size, flags); });
}

long posix_kernel::recv(int fd, void* buffer, std::size_t size, int flags) noexcept {
  return retried([=] { return ::recv(fd, buffer, size, flags); });
}

} // namespace tonel::sys
