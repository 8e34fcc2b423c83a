#pragma once

#include "system/os_error.hpp"

#include <string>

namespace tonel::sys {

/// The content of a small file.
result<std::string> read_file(const std::string& path);

/// Writes all of the text to an open file. path: for the error
result<void> write_all(int fd, const std::string& text, const std::string& path);

} // namespace tonel::sys
