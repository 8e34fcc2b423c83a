#pragma once

#include "actors/shard/faults.hpp"
#include "system/datagram_socket.hpp"
#include "system/netlink_watch.hpp"

#include <functional>
#include <memory>

namespace tonel::actors::app {

// The faults of the host that the programs run on: in builds with TONEL_FAULTS those that tests provoke
// (host_faults.cpp), in all others none (no_host_faults.cpp).

fault_provoker host_faults();
/// A socket towards the upstream.
std::shared_ptr<sys::datagram_socket> with_faults(std::shared_ptr<sys::datagram_socket> socket);
/// What others have changed of the rules.
std::function<sys::netlink_changes()> with_faults(std::function<sys::netlink_changes()> take);

} // namespace tonel::actors::app
