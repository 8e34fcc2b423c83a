#pragma once

#include "system/os_error.hpp"

#include <cstddef>
#include <string>

namespace tonel::sys {

/// The content of a file with a secret.
/// Errors: EPERM: others than owner and group can read it, or others than the owner can write it;
///         EFBIG: longer than `most` octets; those of open and read
result<std::string> read_private_file(const std::string& path, std::size_t most);

/// Whether others than owner and group can read the file; false if it does not exist.
bool open_to_all(const std::string& path);

} // namespace tonel::sys
