#pragma once

#include "actors/app/settings/settings.hpp"
#include "system/host_rules.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace tonel::actors::app {

/// The firewall rules for these settings and the device `tun` (its actual name).
/// Shape:  a remote by name has an unspecified address
sys::rule_request rule_request_of(const settings& chosen, std::string_view tun);

/// The commands that a user has to run if the program sets nothing on the host itself: for a POSIX
/// shell, each on one line, in order. Running them twice does no harm.
std::vector<std::string> host_commands(const settings& chosen, std::string_view tun);

/// The text of --print-rules: a shell script with the rules that the program would set. Asks for
/// routes, addresses and names, and changes nothing.
/// Errors: a route, an address or a name is missing
sys::result<std::string> rules_text(const settings& chosen);

} // namespace tonel::actors::app
