#pragma once

#include "actors/app/settings/settings.hpp"
#include "system/host_rules.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace tonel::actors::app {

/// What the host has to be for these settings and the device `tun` (its actual name).
/// Shape:  a remote by name has no address yet
sys::rule_request rule_request_of(const settings& chosen, std::string_view tun);

/// What has to be set on the host, as commands for a POSIX shell, each on one line, in order, where
/// nothing is to be set by the program itself. Running them again changes nothing.
std::vector<std::string> host_commands(const settings& chosen, std::string_view tun);

/// The text of --print-rules: the commands, as a shell script, of what the program would set. Asks for
/// routes, addresses and names, and changes nothing.
/// Errors: what of this is not there
sys::result<std::string> rules_text(const settings& chosen);

} // namespace tonel::actors::app
