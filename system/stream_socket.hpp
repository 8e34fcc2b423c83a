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

/// The outcome of a read or write on a connection.
enum class io_state : std::uint8_t {
  done,        ///< something was read; all was written
  would_block, ///< nothing to read; the other end does not read
  ended,       ///< the other end has gone
};

/// An accepted connection of a control or HTTP client.
/// Owns:   the descriptor
/// Thread: one at a time
class stream_connection {
public:
  explicit stream_connection(descriptor fd) noexcept : fd_(std::move(fd)) {}
  int fd() const noexcept { return fd_.get(); }
  /// Appends what can be read now, at most `most` octets.
  io_state read(std::string& into, std::size_t most) noexcept;
  /// Writes `from` from offset `at` on, and advances `at`.
  io_state write(std::string_view from, std::size_t& at) noexcept;
  /// The user at the other end of a local connection; none for TCP.
  /// Source: man 7 unix, SO_PEERCRED
  std::optional<uid_t> peer_user() const noexcept;

private:
  descriptor fd_;
};

/// A socket that control or HTTP clients connect to.
/// Owns:   the descriptor, and the path of a local socket, which it removes
/// Thread: one at a time
class stream_listener {
public:
  /// Listens on a socket in the file system, mode 0600. Replaces a socket left by a dead process.
  /// Errors: EADDRINUSE: a live process serves this path, or it is no socket; ENAMETOOLONG; those
  ///         of bind: tell the user, or go on without
  static result<stream_listener> listen_local(const std::string& path);
  /// Errors: those of bind; tell the user
  static result<stream_listener> listen_tcp(const protocol::endpoint& address);
  stream_listener(stream_listener&& other) noexcept;
  stream_listener& operator=(stream_listener&&) = delete;
  ~stream_listener();

  int fd() const noexcept { return fd_.get(); }
  /// The next connection, non-blocking; none: no connection waits.
  /// Errors: EMFILE, ENFILE, ENOBUFS or ENOMEM: a connection waits, but cannot be accepted now. The
  ///         descriptor stays readable, so do not watch it for a while
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

/// Removes a local socket that no live process serves; nothing else.
void remove_unserved(const std::string& path) noexcept;

/// Asks a local socket one question, and waits for one line as answer.
/// Units:  timeout in milliseconds, for all steps together
/// Errors: ENOENT, ECONNREFUSED: no process serves it; EACCES: another user's; ETIMEDOUT; EPROTO:
///         closed without an answer; EMSGSIZE: an answer over 64 MiB
result<std::string> ask_local(const std::string& path, std::string_view line, int timeout);

} // namespace tonel::sys
