#pragma once

#include "actors/shard/faults.hpp"
#include "system/datagram_socket.hpp"
#include "system/netlink_watch.hpp"

#include <functional>
#include <memory>

namespace tonel::actors::app {

// Faults of the host that tests provoke in builds with TONEL_FAULTS (host_faults.cpp); in all other
// builds there are none (no_host_faults.cpp).

/// Throws at the place that a datagram names.
fault_provoker host_faults();
/// Decorates a socket to the upstream.
std::unique_ptr<sys::datagram_socket> with_faults(std::unique_ptr<sys::datagram_socket> socket);
/// Decorates the source of changes to firewall rules.
std::function<sys::netlink_changes()> with_faults(std::function<sys::netlink_changes()> take);

} // namespace tonel::actors::app
