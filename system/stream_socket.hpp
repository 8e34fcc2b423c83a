#pragma once

#include "protocol/address.hpp"
#include "system/kernel.hpp"
#include "system/os_error.hpp"

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tonel::sys {

/// What a read or write on a connection has come to.
enum class io_state : std::uint8_t {
  done,        ///< something was read; all was written
  would_block, ///< nothing is there; the other end does not read
  ended,       ///< the other end has gone
};

/// One accepted connection, of control or HTTP clients: not a tunnel's packets.
/// Owns:   the descriptor
/// Thread: one at a time
class stream_connection {
public:
  explicit stream_connection(descriptor fd) noexcept : fd_(std::move(fd)) {}
  int fd() const noexcept { return fd_.get(); }
  /// Appends what is there, at most `most` octets.
  io_state read(std::string& into, std::size_t most) noexcept;
  /// Takes what was written off `from`, which begins at `at`.
  io_state write(std::string_view from, std::size_t& at) noexcept;
  /// The user at the other end of a local connection; nothing for others.
  /// Source: man 7 unix, SO_PEERCRED
  std::optional<uid_t> peer_user() const noexcept;

private:
  descriptor fd_;
};

/// A socket that control or HTTP clients connect to.
/// Owns:   the descriptor, and the path of a local one, which goes with it
/// Thread: one at a time
class stream_listener {
public:
  /// A socket in the file system, mode 0600. One that a dead process left there is replaced.
  /// Errors: EADDRINUSE: a living process serves this path, or it is no socket; ENAMETOOLONG; those of bind: the caller
  ///         tells the user or goes on without
  static result<stream_listener> listen_local(const std::string& path);
  /// Errors: those of bind; the caller tells the user
  static result<stream_listener> listen_tcp(const protocol::endpoint& address);
  stream_listener(stream_listener&& other) noexcept;
  stream_listener& operator=(stream_listener&&) = delete;
  ~stream_listener();

  int fd() const noexcept { return fd_.get(); }
  /// The next connection, non-blocking; nothing when there is none.
  /// Errors: EMFILE, ENFILE, ENOBUFS or ENOMEM: one waits that cannot be had now; the descriptor stays
  ///         readable, so the caller must look away for a while
  result<std::optional<stream_connection>> accept();
  const std::string& path() const noexcept { return path_; }

private:
  stream_listener(descriptor fd, std::string path) noexcept
      : fd_(std::move(fd)), path_(std::move(path)) {}
  descriptor fd_;
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

/// Asks a local socket one question and waits for the line that answers it.
/// Units:  timeout in milliseconds, for the whole
/// Errors: ENOENT, ECONNREFUSED: nobody serves it; EACCES: another user's; ETIMEDOUT; EPROTO: it was
///         closed without an answer; EMSGSIZE: the answer is over 64 MiB
result<std::string> ask_local(const std::string& path, std::string_view line, int timeout);

} // namespace tonel::sys
