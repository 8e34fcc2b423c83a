#pragma once

#include "protocol/address.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>

namespace tonel::sys {

/// A socket address of IPv4 or IPv6.
union socket_address {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

/// Encodes an endpoint; gives the length. as_v6: encodes an IPv4 address in its mapped form (RFC
/// 4291 §2.5.5.2), for an IPv6 socket
socklen_t encode(const protocol::endpoint& e, std::uint32_t interface, bool as_v6,
                 socket_address& out) noexcept;
/// Decodes an address, a mapped one as IPv4; unspecified for other families.
protocol::endpoint decode(const socket_address& a) noexcept;
protocol::ip_address decode(const in6_addr& a) noexcept;
in6_addr as_in6(const protocol::ip_address& a) noexcept;

} // namespace tonel::sys
