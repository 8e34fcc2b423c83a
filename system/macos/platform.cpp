#include "system/posix/platform.hpp"

#include "system/host_system.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace tonel::sys {

namespace {

bool set_flag(int fd, int get, int set, int flag) noexcept {
  const int before = ::fcntl(fd, get);
  return before >= 0 && ::fcntl(fd, set, before | flag) == 0;
}

bool closed_at_exec(int fd) noexcept { return set_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC); }

/// Sets what Linux takes as flags of the call that makes it; a failure closes it.
int prepared(int fd) noexcept {
  if (fd < 0) return fd;
  const int on = 1;
  if (closed_at_exec(fd) && set_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK) &&
      ::setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on) == 0)
    return fd;
  const int why = errno;
  ::close(fd);
  errno = why;
  return -1;
}

bool both_closed_at_exec(int (&ends)[2]) noexcept {
  if (closed_at_exec(ends[0]) && closed_at_exec(ends[1])) return true;
  const int why = errno;
  ::close(ends[0]);
  ::close(ends[1]);
  errno = why;
  return false;
}

} // namespace

host_system this_system() noexcept { return host_system::macos; }

int open_socket(int domain, int type) noexcept { return prepared(::socket(domain, type, 0)); }

int accept_connection(int listener) noexcept {
  return prepared(::accept(listener, nullptr, nullptr));
}

int make_socket_pair(int (&ends)[2]) noexcept {
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return -1;
  const int on = 1;
  for (const int end : ends)
    ::setsockopt(end, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
  return both_closed_at_exec(ends) ? 0 : -1;
}

int make_pipe(int (&ends)[2]) noexcept {
  if (::pipe(ends) != 0) return -1;
  return both_closed_at_exec(ends) ? 0 : -1;
}

int make_temporary_file() noexcept {
  char path[] = "/tmp/tonel.XXXXXX";
  const int fd = ::mkostemp(path, O_CLOEXEC);
  if (fd >= 0) ::unlink(path);
  return fd;
}

std::optional<uid_t> user_of_peer(int fd) noexcept {
  uid_t user = 0;
  gid_t group = 0;
  if (::getpeereid(fd, &user, &group) != 0) return {};
  return user;
}

} // namespace tonel::sys
