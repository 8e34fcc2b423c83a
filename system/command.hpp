#pragma once

#include "system/os_error.hpp"

#include <string>
#include <vector>

namespace tonel::sys {

/// The path of a program of the system: by PATH, and in the sbin folders, which a service's PATH may
/// lack; empty: it is not installed.
std::string find_program(const std::string& name);

/// Runs a program of the system (found as above), feeds it `input` and gives
/// what it printed.
/// Errors: ENOENT: it is not installed; EIO: it ended with another exit code than 0, what it said on
///         stderr being the detail
/// Thread: any; blocks until it has ended
result<std::string> run_command(const std::vector<std::string>& argv,
                                const std::string& input = {});

} // namespace tonel::sys
