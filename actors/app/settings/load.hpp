#pragma once

#include "actors/app/settings/options.hpp"
#include "actors/app/settings/settings.hpp"
#include "protocol/expected.hpp"

#include <string>
#include <vector>

namespace tonel::actors::app {

/// Loads the settings: from the command line, its configuration files, and the files that these
/// name (keys, handshake packets). Reads nothing else, and changes nothing.
/// Errors: all errors found; print them, exit code 2
/// Thread: any
[[nodiscard]] expected<settings, std::vector<option_error>> load_settings(role side,
                                                                          const command_line& line);

/// Makes the paths of load_settings()'s files absolute, for another working directory later.
void make_paths_absolute(command_line& line);

/// Warnings about settings that work, but perhaps not as expected; lines for the log.
std::vector<std::string> warnings_of(const settings& chosen);

/// The text of --check: the tunnels, without keys, and the warnings.
std::string summary_text(const settings& chosen);

/// The names of process-wide options that differ: "mtu, tun-queues"; empty: none.
std::string changed_process_options(const settings& before, const settings& after);

} // namespace tonel::actors::app
