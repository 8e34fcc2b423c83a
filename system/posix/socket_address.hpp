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

/// Gives its length. `as_v6`: an IPv4 address takes its mapped form (RFC 4291 §2.5.5.2), which is
/// what an IPv6 socket wants.
socklen_t encode(const protocol::endpoint& e, std::uint32_t interface, bool as_v6,
                 socket_address& out) noexcept;
/// A mapped IPv4 address is an IPv4 one; none for another family.
protocol::endpoint decode(const socket_address& a) noexcept;
protocol::ip_address decode(const in6_addr& a) noexcept;
in6_addr as_in6(const protocol::ip_address& a) noexcept;

} // namespace tonel::sys
