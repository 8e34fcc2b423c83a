#pragma once

#include "system/os_error.hpp"

#include <string>
#include <vector>

namespace tonel::sys {

/// Runs a program of the system (found by PATH, and in the sbin folders), feeds it `input` and gives
/// what it printed.
/// Errors: ENOENT: it is not installed; EIO: it ended with another exit code than 0, what it said on
///         stderr being the detail
/// Thread: any; blocks until it has ended
result<std::string> run_command(const std::vector<std::string>& argv,
                                const std::string& input = {});

} // namespace tonel::sys
