#pragma once

#include "system/kernel.hpp"
#include "system/os_error.hpp"

#include <string>
#include <utility>

namespace tonel::sys {

/// The way from a process in the background to the one that started it, which waits for it.
/// Owns:   its end of the line between both
/// Thread: any, one at a time
class daemon_parent {
public:
  /// Goes on in a process of its own: no child of the caller's shell, no terminal, umask 027, in "/".
  /// The caller's process ends inside this call, with the code that ready() or a failure of the new
  /// one gives; stderr stays the caller's until then, stdin and stdout are /dev/null.
  /// To be called before any thread exists: a fork takes along one alone.
  /// Errors: of "fork", "socketpair", "setsid" or "open /dev/null"; this is then still the caller's process,
  ///         or, after the first fork, the new one, whose end the waiting process sees
  static result<daemon_parent> leave();

  /// Lets the waiting process end with 0, and stderr go.
  void ready() noexcept;

private:
  explicit daemon_parent(descriptor line) noexcept : line_(std::move(line)) {}
  descriptor line_;
};

/// A file with this process' id, locked as long as the process lives.
/// Owns: the file; removes it
class pid_file {
public:
  /// Errors: EAGAIN of "flock": a living process holds it; those of "open" and "write"
  static result<pid_file> make(const std::string& path);
  pid_file(pid_file&& other) noexcept;
  pid_file& operator=(pid_file&&) = delete;
  ~pid_file();

private:
  pid_file(std::string path, descriptor fd) noexcept;
  std::string path_;
  descriptor fd_;
};

/// The path from the root, whatever the working directory becomes; unchanged where it can't be told.
std::string absolute_path(const std::string& path);

} // namespace tonel::sys
