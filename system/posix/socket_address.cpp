#include "system/posix/socket_address.hpp"

#include <arpa/inet.h>

#include <cstring>

namespace tonel::sys {

in6_addr as_in6(const protocol::ip_address& a) noexcept {
  in6_addr r{};
  if (a.is_v4()) {
    r.s6_addr[10] = r.s6_addr[11] = 0xff;
    std::memcpy(r.s6_addr + 12, a.data(), 4);
  } else if (a.is_v6()) {
    std::memcpy(r.s6_addr, a.data(), 16);
  }
  return r;
}

socklen_t encode(const protocol::endpoint& e, std::uint32_t interface, bool as_v6,
                 socket_address& out) noexcept {
  if (e.address.is_v4() && !as_v6) {
    out.v4 = sockaddr_in{};
    out.v4.sin_family = AF_INET;
    out.v4.sin_port = htons(e.port);
    std::memcpy(&out.v4.sin_addr, e.address.data(), 4);
    return sizeof out.v4;
  }
  out.v6 = sockaddr_in6{};
  out.v6.sin6_family = AF_INET6;
  out.v6.sin6_port = htons(e.port);
  out.v6.sin6_addr = as_in6(e.address);
  // Only link-local addresses need the interface.
  if (IN6_IS_ADDR_LINKLOCAL(&out.v6.sin6_addr)) out.v6.sin6_scope_id = interface;
  return sizeof out.v6;
}

protocol::ip_address decode(const in6_addr& a) noexcept {
  if (IN6_IS_ADDR_V4MAPPED(&a)) return protocol::ip_address::v4(a.s6_addr + 12);
  return protocol::ip_address::v6(a.s6_addr);
}

protocol::endpoint decode(const socket_address& a) noexcept {
  if (a.any.sa_family == AF_INET) {
    std::uint8_t octets[4];
    std::memcpy(octets, &a.v4.sin_addr, 4);
    return {protocol::ip_address::v4(octets), ntohs(a.v4.sin_port)};
  }
  if (a.any.sa_family == AF_INET6) return {decode(a.v6.sin6_addr), ntohs(a.v6.sin6_port)};
  return {};
}

} // namespace tonel::sys
