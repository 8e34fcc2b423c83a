#pragma once

#include "system/posix/control_message.hpp"
#include "system/posix/udp_arrays.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tonel::sys {

// The control messages for a datagram's own address, as far as Linux and macOS agree.

/// Reads an IPV6_PKTINFO.
inline void read_packet_info6(cmsghdr* c, ancillary& out) noexcept {
  in6_pktinfo info{};
  std::memcpy(&info, CMSG_DATA(c), sizeof info);
  if (!IN6_IS_ADDR_MULTICAST(&info.ipi6_addr)) out.local = info.ipi6_addr;
  out.interface = info.ipi6_ifindex;
}

/// Makes the message leave from path.local, an IPv4 address.
inline std::size_t put_packet_info4(std::uint8_t* at, const datagram_path& path) noexcept {
  in_pktinfo info{};
  std::memcpy(&info.ipi_spec_dst, path.local.data(), sizeof info.ipi_spec_dst);
  return put_control(at, IPPROTO_IP, IP_PKTINFO, info);
}

/// Makes the message leave from path.local, IPv4 in its mapped form.
inline std::size_t put_packet_info6(std::uint8_t* at, const datagram_path& path) noexcept {
  in6_pktinfo info{};
  info.ipi6_addr = as_in6(path.local);
  // Otherwise the route decides, which may use another interface than the datagram came by.
  if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) info.ipi6_ifindex = path.interface;
  return put_control(at, IPPROTO_IPV6, IPV6_PKTINFO, info);
}

} // namespace tonel::sys
