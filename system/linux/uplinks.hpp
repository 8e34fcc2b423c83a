#pragma once

#include "system/linux/netlink.hpp"
#include "system/os_error.hpp"
#include "system/rule_text.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tonel::sys {

/// An interface with addresses that others reach, and its routes, of one family.
struct uplink_facts {
  std::uint32_t index = 0;
  std::string device;
  /// Of the main table, by this interface; where those are many, the near and the default ones alone.
  std::vector<route> routes;
  /// Where the kernel sends a packet to the internet that has an address of this interface as its
  /// source, if that is by the interface itself.
  std::optional<route::hop> own_way;
};

/// What makes answers leave by the uplink that their request came by.
struct uplink_plan {
  std::vector<policy_rule> rules; ///< one a device
  std::vector<route> routes;      ///< of the tables that the rules name
};

/// The numbers of an instance's marks and tables, which are the same: the first of 4,096, by the name of
/// its nftables table, so that the next process finds what a killed one has left.
std::uint32_t uplink_numbers(std::string_view instance) noexcept;
/// The number of an interface among them.
std::uint32_t uplink_number(std::string_view instance, std::uint32_t index) noexcept;

/// Those that have a default route of their own, if there are two at least: with one there is nothing
/// to choose.
std::vector<uplink_facts> uplinks_of(std::vector<uplink_facts> all);

/// Rules for packets from this TUN, and the tables: a copy of the interface's routes in the main table,
/// and its own way as the default route where it has none there.
uplink_plan plan_uplinks(const std::vector<uplink_facts>& uplinks, std::string_view instance,
                         const std::string& tun, bool v6);

/// The host's facts: all interfaces but the loopback and the TUN.
result<std::vector<uplink_facts>> find_uplinks(route_netlink& netlink, const std::string& tun,
                                               bool v6);

} // namespace tonel::sys
