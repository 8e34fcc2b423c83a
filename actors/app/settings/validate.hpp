#pragma once

#include "actors/app/settings/config_file.hpp"
#include "actors/app/settings/options.hpp"
#include "actors/app/settings/settings.hpp"
#include "protocol/expected.hpp"

#include <vector>

namespace tonel::actors::app {

/// Turns the values of command line and configuration files into settings. The command line counts
/// before a tunnel's section, then the rest of the files, then defaults. Looks at nothing outside
/// the process: resolves no name, searches no device.
/// Errors: all errors, those of the command line first; print them (error_text), exit code 2
[[nodiscard]] expected<settings, std::vector<option_error>>
validate(role side, const command_line& line, const config_files& files = {});

/// The settings and all errors.
struct judged_settings {
  settings chosen; ///< with harmless values in place of wrong ones
  std::vector<option_error> errors;
};
/// Like validate(), but gives the settings with the errors, so that errors of named files can
/// follow.
[[nodiscard]] judged_settings read_settings(role side, const command_line& line,
                                            const config_files& files = {});

} // namespace tonel::actors::app
