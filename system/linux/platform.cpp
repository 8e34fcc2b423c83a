#include "system/posix/platform.hpp"

#include "system/host_system.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace tonel::sys {

host_system this_system() noexcept { return host_system::gnu_linux; }

int open_socket(int domain, int type) noexcept {
  return ::socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

int accept_connection(int listener) noexcept {
  return ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int make_socket_pair(int (&ends)[2]) noexcept {
  return ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
}

int make_pipe(int (&ends)[2]) noexcept { return ::pipe2(ends, O_CLOEXEC); }

int make_temporary_file() noexcept { return ::memfd_create("input", MFD_CLOEXEC); }

std::optional<uid_t> user_of_peer(int fd) noexcept {
  ucred who{};
  socklen_t size = sizeof who;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return {};
  return who.uid;
}

} // namespace tonel::sys
