#pragma once

#include "system/os_error.hpp"

#include <cstddef>
#include <string>

namespace tonel::sys {

/// The content of a file that a user names. Devices and pipes are read to their end, too.
/// Errors: EFBIG: longer than `most` octets; ETIMEDOUT: a pipe did not end within 5 s, or nobody
///         writes into it; those of open and read
/// Thread: any; may block for 5 s
result<std::string> read_named_file(const std::string& path, std::size_t most);

/// The content of a file with a secret.
/// Errors: EPERM: others than owner and group can read it, or others than the owner can write it;
///         those of read_named_file()
result<std::string> read_private_file(const std::string& path, std::size_t most);

/// Whether others than owner and group can read the file; false if it does not exist.
bool open_to_all(const std::string& path);

} // namespace tonel::sys
