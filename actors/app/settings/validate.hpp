#pragma once

#include "actors/app/settings/config_file.hpp"
#include "actors/app/settings/options.hpp"
#include "actors/app/settings/settings.hpp"
#include "protocol/expected.hpp"

#include <vector>

namespace tonel::actors::app {

/// Turns the values of a command line and of configuration files into settings. The command line
/// beats a tunnel's section, that beats the rest of the files, and that the defaults.
/// Nothing outside the process is looked at: a name is not resolved, a device not searched for.
/// Errors: all that is wrong, those of the command line first; the caller prints them
///         (error_text) and ends with exit code 2
[[nodiscard]] expected<settings, std::vector<option_error>>
validate(role side, const command_line& line, const config_files& files = {});

/// What validate() makes of all, good or not.
struct judged_settings {
  settings
      chosen; ///< where there are errors: with something harmless in the place of what is wrong
  std::vector<option_error> errors;
};
/// As validate(), so that the files which the options name can be judged together with these.
[[nodiscard]] judged_settings read_settings(role side, const command_line& line,
                                            const config_files& files = {});

} // namespace tonel::actors::app
