#pragma once

#include "system/os_error.hpp"

#include <cstddef>
#include <string>

namespace tonel::sys {

/// The content of a file that keeps a secret.
/// Errors: EPERM where others than its owner and its group can read it, or others than its owner
///         write it; EFBIG where it is longer than `most`
result<std::string> read_private_file(const std::string& path, std::size_t most);

/// Others than its owner and its group can read the file; false too where it is not there.
bool open_to_all(const std::string& path);

} // namespace tonel::sys
