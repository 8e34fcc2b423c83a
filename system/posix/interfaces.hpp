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

/// The name of an interface by its number; empty: none has it.
std::string interface_name(std::uint32_t index);

/// The flags (IFF_UP and so on) of all interfaces by name; none where they cannot be told.
std::map<std::string, unsigned> interface_flags();

/// Any IPv4 address, and one of IPv6 that is not link-local.
bool is_global(const protocol::ip_address& a) noexcept;

/// A UDP socket that is connected, which sends nothing but asks for a route; none: there is no way.
descriptor connected_to(const protocol::endpoint& to) noexcept;

/// The interface with the address that a connected socket sends from; empty: it cannot be told.
std::string uplink_of(const descriptor& connected);

/// Gives the interface on the way to an address, for none that of the family's default route; nothing:
/// there is no way.
using way_finder =
    std::function<result<std::optional<std::uint32_t>>(const protocol::ip_address& to, bool v6)>;

/// Makes the plan one for the interface of this name.
/// Errors: ENODEV: there is none
result<void> take_interface(rule_plan& plan, const std::string& name);

/// Makes the plan one for the interface to its remotes, none if they have different ones; the default
/// route's at a server and for names that are not resolved yet. Each family has its own.
/// Errors: those of the finder
result<void> find_interfaces(rule_plan& plan, const way_finder& find);

} // namespace tonel::sys
