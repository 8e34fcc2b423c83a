#pragma once

#include "system/kernel.hpp"
#include "system/posix/control_message.hpp"
#include "system/posix/packet_info.hpp"
#include "system/posix/udp_arrays.hpp"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace tonel::sys {

// UDP beyond POSIX, for the data path; inline, since it is called for each message.

inline void set_udp_buffers(kernel& k, int fd, int octets) noexcept {
  // With CAP_NET_ADMIN, FORCE may exceed rmem_max.
  if (set_option(k, fd, SOL_SOCKET, SO_RCVBUFFORCE, octets) < 0)
    set_option(k, fd, SOL_SOCKET, SO_RCVBUF, octets);
  if (set_option(k, fd, SOL_SOCKET, SO_SNDBUFFORCE, octets) < 0)
    set_option(k, fd, SOL_SOCKET, SO_SNDBUF, octets);
}

inline bool start_gro(kernel& k, int fd) noexcept {
  return set_option(k, fd, IPPROTO_UDP, UDP_GRO, 1) == 0;
}

/// Setting 0 changes nothing, and fails on a kernel without UDP_SEGMENT (before 4.18).
inline bool has_gso(kernel& k, int fd) noexcept {
  return set_option(k, fd, IPPROTO_UDP, UDP_SEGMENT, 0) == 0;
}

inline ancillary read_ancillary(msghdr& m) noexcept {
  ancillary a;
  for (auto* c = CMSG_FIRSTHDR(&m); c != nullptr; c = CMSG_NXTHDR(&m, c)) {
    if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
      int size = 0;
      std::memcpy(&size, CMSG_DATA(c), sizeof size);
      a.segment_size = static_cast<std::uint32_t>(std::max(size, 0));
    } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      in_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      a.local.s6_addr[10] = a.local.s6_addr[11] = 0xff;
      // Not ipi_addr: for a broadcast it is no address to answer from.
      std::memcpy(&a.local.s6_addr[12], &info.ipi_spec_dst, sizeof info.ipi_spec_dst);
      a.interface = static_cast<std::uint32_t>(info.ipi_ifindex);
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      read_packet_info6(c, a);
    }
  }
  return a;
}

/// Makes the kernel cut the message into datagrams of this size.
inline std::size_t put_segment_size(std::uint8_t* at, std::uint32_t size) noexcept {
  return put_control(at, IPPROTO_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(size));
}

/// Makes the message leave from path.local.
inline std::size_t put_source(std::uint8_t* at, const datagram_path& path,
                              bool v6_socket) noexcept {
  return v6_socket ? put_packet_info6(at, path) : put_packet_info4(at, path);
}

} // namespace tonel::sys
