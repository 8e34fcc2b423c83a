#pragma once

#include "actors/config.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace tonel::actors::app {

/// The statements for nftables that make the tunnel work: an own table, which no other program
/// touches, filled anew. They can be run one by one or, being in order, as one transaction.
/// Shape:  one statement each, without "nft"
std::vector<std::string> nft_statements(const config& run, std::string_view tun);

/// The statements that take the table away; they do not fail where there is none.
std::vector<std::string> nft_removal_statements(std::string_view tun);

/// What has to be set on the host for the device `tun` (its actual name), as commands for a POSIX
/// shell, each on one line, in order. Running them again changes nothing.
std::vector<std::string> host_commands(const config& run, std::string_view tun);

/// What undoes host_commands(). Forwarding stays on: whether something else needs it by now, nobody
/// can tell.
std::vector<std::string> host_removal_commands(std::string_view tun);

} // namespace tonel::actors::app
