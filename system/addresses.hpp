#pragma once

#include "protocol/address.hpp"

#include <optional>
#include <string>

namespace tonel::sys {

/// The name of the interface with this address; none: there is none, or the system does not say.
std::optional<std::string> interface_with(const protocol::ip_address& address);

/// The point-to-point interface whose other end has this address; nothing: none, or it cannot be told.
std::optional<std::string> interface_to_peer(const protocol::ip_address& address);

/// The driver of an interface, by ethtool's name ("veth", "tun"); nothing: there is no such interface, or
/// the driver cannot be told.
std::optional<std::string> driver_of(const std::string& interface);

} // namespace tonel::sys
