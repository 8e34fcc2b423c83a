#pragma once

#include "system/os_error.hpp"

#include <string>
#include <vector>

namespace tonel::sys {

/// The path of a system program, searched in PATH and in the sbin folders, which a service's PATH
/// may lack; empty: not installed.
std::string find_program(const std::string& name);

/// Runs a system program (found as above) with `input` on stdin; gives its stdout.
/// Errors: ENOENT: not installed; EIO: its exit code is not 0, the detail is its stderr
/// Thread: any; blocks until the program has ended
result<std::string> run_command(const std::vector<std::string>& argv,
                                const std::string& input = {});

} // namespace tonel::sys
