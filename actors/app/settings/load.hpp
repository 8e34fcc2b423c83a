#pragma once

#include "actors/app/settings/options.hpp"
#include "actors/app/settings/settings.hpp"
#include "protocol/expected.hpp"

#include <string>
#include <vector>

namespace tonel::actors::app {

/// The settings of a command line, of the configuration files that it names, and of the files that
/// these name: keys and handshake packets. Nothing else is looked at, and nothing changed.
/// Errors: all that is wrong
/// Thread: any
[[nodiscard]] expected<settings, std::vector<option_error>> load_settings(role side,
                                                                          const command_line& line);

/// The files that load_settings() reads, so that it finds them from another working directory, too.
void make_paths_absolute(command_line& line);

/// What works, but not as its user may expect, a line each.
std::vector<std::string> warnings_of(const settings& chosen);

/// What --check prints: the tunnels, without their keys, and the warnings.
std::string summary_text(const settings& chosen);

/// The process-wide options that differ, "mtu, tun-queues"; empty: none.
std::string changed_process_options(const settings& before, const settings& after);

} // namespace tonel::actors::app
