#pragma once

#include "actors/app/programs/start_error.hpp"
#include "actors/app/settings/settings.hpp"
#include "system/tun_net.hpp"

#include <optional>
#include <vector>

namespace tonel::actors::app {

/// Settles the addresses of the TUN device, so that no host loses a neighbour to it: those that the
/// user has not chosen become the next free ones. Returns the error if chosen ones are the host's, or
/// its neighbours'. Logs what is other than expected.
/// Shape: taken: host_nets(); empty for a device that another program has opened
std::optional<start_error> settle_ends(config& run, const std::vector<sys::host_net>& taken);

/// The nets that count for these settings.
std::vector<sys::host_net> taken_nets(const config& run);

} // namespace tonel::actors::app
