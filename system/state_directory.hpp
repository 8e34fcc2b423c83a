#pragma once

#include "system/kernel.hpp"
#include "system/os_error.hpp"

#include <cstddef>
#include <optional>
#include <string>

namespace tonel::sys {

/// A directory in which one program keeps what a later one needs, in small files.
/// Shape:  files have mode 0600 and are replaced as a whole. Symbolic links are never followed to or from a
///         file; the way to the directory may have some
/// Owns:   a lock on the directory, so that no two programs use it
class state_directory {
public:
  /// Makes the directory if its parent is there.
  /// Errors: EWOULDBLOCK: another program uses it; EPERM: it belongs to another user, or others may write to
  ///         it; what open(2) and flock(2) say
  static result<state_directory> open(const std::string& path);

  /// The content of a file; nothing: there is none.
  /// Errors: EPERM: it belongs to another user or others may read or write it; EINVAL: it is no regular file;
  ///         EFBIG: it has more than `most` octets; what open(2) and read(2) say
  result<std::optional<std::string>> read(const std::string& name, std::size_t most) const;
  /// Replaces the file. A failure leaves the one before.
  /// Errors: those of write(2) and rename(2): no room, read-only
  result<void> write(const std::string& name, const std::string& content) const;

  const std::string& path() const noexcept { return path_; }

private:
  state_directory(descriptor folder, std::string path)
      : folder_(std::move(folder)), path_(std::move(path)) {}

  descriptor folder_;
  std::string path_;
};

/// The first directory of $STATE_DIRECTORY, as systemd sets it; empty: none.
std::string given_state_directory();

} // namespace tonel::sys
