#pragma once

#include "system/instance_state.hpp"
#include "system/os_error.hpp"
#include "system/rule_text.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tonel::sys {

// Functions of each operating system that common code calls.

/// Adds to the plan which devices of this host have to forward, and for whom. `living` are the records
/// of this network's instances, the own one included; `tables` are nftables' of any instance.
void plan_forwarding(rule_plan& plan, const std::vector<instance_record>& living,
                     const std::vector<std::string>& tables);

/// Whether the sysctls of the plan are on.
bool forwards(const rule_plan& plan);

/// Switches them on, and adds each change to `leases`. Gives a text for each that cannot be set.
std::vector<std::string> switch_on(const rule_plan& plan, std::vector<sysctl_lease>& leases);

/// Whether other programs need this change too, so that it is not to be undone.
bool overtaken(const sysctl_lease& lease);

/// The start time of this process, in units of the system; 0: unknown.
std::uint64_t own_start();

/// An id of the present boot.
std::string boot_id();

/// An id of the network namespace of this process; one word.
std::string network_namespace();

/// The marks for connections that come in by one of several uplinks; empty: there is one, or none is to
/// be chosen.
std::vector<uplink_mark> uplink_marks(const rule_plan& plan);

/// Makes answers leave by the uplink that their request came by: a routing rule and a table for each of
/// the plan's uplinks, and none for others. True: a rule was missing.
/// Errors: those of netlink
result<bool> keep_uplinks(const rule_plan& plan);

/// Removes the routing rules and tables of the instance with this nftables table.
void remove_uplinks(const std::string& instance) noexcept;

/// Why packets may not come in by an uplink, for the log.
std::vector<std::string> uplink_obstacles(const rule_plan& plan);

} // namespace tonel::sys
