#pragma once

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
#else
inline constexpr int send_quietly = MSG_NOSIGNAL;
#endif

/// The user at the other end of a local connection.
std::optional<uid_t> user_of_peer(int fd) noexcept;

} // namespace tonel::sys
