#pragma once

#include <spawn.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>

#ifdef __APPLE__
/// What Linux has for recvmmsg and sendmmsg.
struct mmsghdr {
  msghdr msg_hdr;
  unsigned msg_len;
};
// In its C library's binary, but in no header of it.
extern "C" char** environ;
#endif

namespace tonel::sys {

// What POSIX leaves out and each system has in its own way.
// Shape: as the calls of these names: -1 and errno at a failure; descriptors are closed at exec

/// A non-blocking socket that raises no SIGPIPE, with send_quietly as flag of send().
int open_socket(int domain, int type) noexcept;
int accept_connection(int listener) noexcept;
int make_socket_pair(int (&ends)[2]) noexcept;
int make_pipe(int (&ends)[2]) noexcept;
/// A file without a name.
int make_temporary_file() noexcept;
#ifdef __APPLE__
inline constexpr int send_quietly = 0; // the sockets are told instead
inline constexpr int nonblocking = 0;  // datagrams come and go with MSG_DONTWAIT
/// A descriptor is inheritable for a moment after it is made; with this no command sees it.
inline constexpr short spawn_flags = POSIX_SPAWN_CLOEXEC_DEFAULT;
#else
inline constexpr short spawn_flags = 0;
inline constexpr int send_quietly = MSG_NOSIGNAL;
/// For a type of socket().
inline constexpr int nonblocking = SOCK_NONBLOCK;
#endif

/// The user at the other end of a local connection.
std::optional<uid_t> user_of_peer(int fd) noexcept;

} // namespace tonel::sys
