#pragma once

#include "protocol/address.hpp"
#include "system/kernel.hpp"
#include "system/os_error.hpp"
#include "system/rule_text.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

namespace tonel::sys {

/// The name of the interface with this number; empty: there is none.
std::string interface_name(std::uint32_t index);

/// The flags (IFF_UP and so on) of all interfaces by name; empty: unknown.
std::map<std::string, unsigned> interface_flags();

/// The TUN device of the instance with this nftables table, by the table's name, whether it is there or
/// not; empty: the table is named by an address, and no device has it.
std::string tun_of(const std::string& table);

/// Whether it is an IPv4 address, or an IPv6 one that is not link-local.
bool is_global(const protocol::ip_address& a) noexcept;

/// A connected UDP socket, which makes the kernel choose a route without sending; none: no route.
descriptor connected_to(const protocol::endpoint& to, std::uint32_t mark = 0) noexcept;
/// Has policy routing see the mark on what the socket sends, where this user may; 0: none.
void set_mark(int socket, std::uint32_t mark) noexcept;

/// The interface with the source address of a connected socket; empty: unknown.
std::string uplink_of(const descriptor& connected);

/// Gives the number of the interface to an address, for an unspecified one that of the family's
/// default route; none: no route.
using way_finder =
    std::function<result<std::optional<std::uint32_t>>(const protocol::ip_address& to, bool v6)>;

/// Sets the plan's interfaces to this one.
/// Errors: ENODEV: there is no interface of this name
result<void> take_interface(rule_plan& plan, const std::string& name);

/// Sets the plan's interface, for each family: that to its remotes, none if they differ; the
/// default route's at a server, and for names that are not resolved yet.
/// Errors: those of the finder
result<void> find_interfaces(rule_plan& plan, const way_finder& find);

} // namespace tonel::sys
