#pragma once

#include <cstdint>

namespace tonel::sys {

/// The header before each packet of a TUN with IFF_VNET_HDR. Declared here since the kernel's own
/// header may have a member called `class`.
/// Units:  host byte order (legacy virtio)
/// Source: virtio 1.2 §5.1.6; kernel Documentation/networking/tuntap.rst
struct vnet_header {
  std::uint8_t flags = 0;
  std::uint8_t gso_type = 0;
  std::uint16_t header_length = 0; ///< octets of IP and TCP header
  std::uint16_t gso_size = 0;      ///< octets of payload of each segment
  std::uint16_t checksum_start = 0;
  std::uint16_t checksum_offset = 0;
};
static_assert(sizeof(vnet_header) == 10);

namespace vnet {
inline constexpr std::uint8_t needs_checksum = 1, data_valid = 2;
inline constexpr std::uint8_t gso_none = 0, gso_tcp4 = 1, gso_tcp6 = 4, gso_ecn = 0x80;
} // namespace vnet

} // namespace tonel::sys
