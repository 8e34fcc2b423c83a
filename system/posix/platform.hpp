#pragma once

#include <spawn.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>

#ifdef __APPLE__
/// As Linux has it, for recvmmsg and sendmmsg.
struct mmsghdr {
  msghdr msg_hdr;
  unsigned msg_len;
};
// Defined in the C library, but declared in no header.
extern "C" char** environ;
#endif

namespace tonel::sys {

// Calls that POSIX leaves out and each operating system has in its own way.
// Shape: -1 and errno at a failure; descriptors are closed at exec

/// A non-blocking socket that raises no SIGPIPE if send() has the flag send_quietly.
int open_socket(int domain, int type) noexcept;
int accept_connection(int listener) noexcept;
int make_socket_pair(int (&ends)[2]) noexcept;
int make_pipe(int (&ends)[2]) noexcept;
/// A file without a name.
int make_temporary_file() noexcept;
#ifdef __APPLE__
inline constexpr int send_quietly = 0; // set on the sockets instead
inline constexpr int nonblocking = 0;  // MSG_DONTWAIT is used for datagrams
/// Keeps commands from inheriting descriptors, which are inheritable for a moment after their
/// making.
inline constexpr short spawn_flags = POSIX_SPAWN_CLOEXEC_DEFAULT;
#else
inline constexpr short spawn_flags = 0;
inline constexpr int send_quietly = MSG_NOSIGNAL;
/// Added to the type of socket().
inline constexpr int nonblocking = SOCK_NONBLOCK;
#endif

/// The user at the other end of a local connection.
std::optional<uid_t> user_of_peer(int fd) noexcept;

} // namespace tonel::sys
