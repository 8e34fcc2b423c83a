#pragma once

#include "system/kernel.hpp"
#include "system/posix/control_message.hpp"
#include "system/posix/packet_info.hpp"
#include "system/posix/udp_arrays.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>

namespace tonel::sys {

// What the data path needs of macOS' UDP beside POSIX. It merges and cuts nothing.

inline void set_udp_buffers(kernel& k, int fd, int octets) noexcept {
  // One that exceeds kern.ipc.maxsockbuf is refused whole.
  for (const int name : {SO_RCVBUF, SO_SNDBUF})
    for (int size = octets; size >= 65'536 && set_option(k, fd, SOL_SOCKET, name, size) < 0;)
      size /= 2;
}

inline bool start_gro(kernel&, int) noexcept { return false; }
inline bool has_gso(kernel&, int) noexcept { return false; }

inline ancillary read_ancillary(msghdr& m) noexcept {
  ancillary a;
  for (auto* c = CMSG_FIRSTHDR(&m); c != nullptr; c = CMSG_NXTHDR(&m, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      in_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      // Of what was sent to a broadcast or multicast address this is no address to answer from.
      const auto address = ntohl(info.ipi_addr.s_addr);
      if (!IN_MULTICAST(address) && address != INADDR_BROADCAST) {
        a.local.s6_addr[10] = a.local.s6_addr[11] = 0xff;
        std::memcpy(&a.local.s6_addr[12], &info.ipi_addr, sizeof info.ipi_addr);
      }
      a.interface = info.ipi_ifindex;
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      read_packet_info6(c, a);
    }
  }
  return a;
}

/// Never called: has_gso() is false.
inline std::size_t put_segment_size(std::uint8_t*, std::uint32_t) noexcept { return 0; }

/// The message leaves from path.local. To a mapped address the kernel sends by IPv4's code, which
/// knows IPv4's message alone.
inline std::size_t put_source(std::uint8_t* at, const datagram_path& path,
                              bool v6_socket) noexcept {
  return v6_socket && path.local.is_v6() ? put_packet_info6(at, path) : put_packet_info4(at, path);
}

} // namespace tonel::sys
