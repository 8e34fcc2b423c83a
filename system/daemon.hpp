#pragma once

#include "system/kernel.hpp"
#include "system/os_error.hpp"

#include <string>
#include <utility>

namespace tonel::sys {

/// The connection of a process in the background to the process that started it, which waits.
/// Owns:   its end of a socket pair
/// Thread: any, one at a time
class daemon_parent {
public:
  /// Goes on in a new process: no child of the caller's shell, no terminal, umask 027, in "/". The
  /// caller's process ends inside this call, with the code from ready() or from a failure of the
  /// new process; until then stderr stays the caller's, and stdin and stdout are /dev/null. Call it
  /// before any thread exists, since a fork only copies the calling thread.
  /// Errors: of "fork", "socketpair", "setsid" or "open /dev/null". The process is still the
  ///         caller's or, after the first fork, the new one, whose end the waiting process sees
  static result<daemon_parent> leave();

  /// Lets the waiting process end with code 0, and closes stderr.
  void ready() noexcept;

private:
  explicit daemon_parent(descriptor line) noexcept : line_(std::move(line)) {}
  descriptor line_;
};

/// A file with the id of this process, locked as long as the process lives.
/// Owns: the file; removes it
class pid_file {
public:
  /// Writes a new file, and renames it to the path.
  /// Errors: EAGAIN of "flock": a living process holds it; ELOOP of "open": the path is a link;
  ///         EINVAL of "open": it is no regular file; those of "open" and "write"
  static result<pid_file> make(const std::string& path);
  pid_file(pid_file&& other) noexcept;
  pid_file& operator=(pid_file&&) = delete;
  ~pid_file();

private:
  pid_file(std::string path, descriptor fd) noexcept;
  std::string path_;
  descriptor fd_;
};

/// Opens /dev/null for each standard descriptor that is closed, so that no other file gets its number
/// and then what is written for people.
void make_standard_descriptors() noexcept;

/// Extends the umask, so that only this user can write files and folders of this process.
void keep_others_from_writing() noexcept;

/// Sends SIGHUP to a process.
/// Errors: ESRCH: there is none; EPERM: it is another user's
result<void> hang_up(int process) noexcept;

/// The absolute path, by the present working directory; unchanged if that is unknown.
std::string absolute_path(const std::string& path);

} // namespace tonel::sys
