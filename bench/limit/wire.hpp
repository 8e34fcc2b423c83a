#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

// The packets of the limit: IPv4 and TCP headers behind the header that a TUN with IFF_VNET_HDR
// wants (its 10 bytes are in the host's byte order, the rest is in the network's).
namespace tonel::bench {

inline constexpr std::size_t vnet_size = 10;
inline constexpr std::size_t ip_size = 20;
inline constexpr std::size_t tcp_size = 20;
inline constexpr std::size_t headers_size = ip_size + tcp_size;
inline constexpr std::size_t max_payload = 65535 - headers_size;
inline constexpr std::size_t max_segments = 64;

inline constexpr std::uint8_t vnet_needs_csum = 1;
inline constexpr std::uint8_t vnet_gso_tcpv4 = 1;

enum tcp_flag : std::uint8_t { fin = 1, syn = 2, rst = 4, psh = 8, ack = 16 };

inline void store16(std::uint8_t* out, std::size_t value) noexcept {
  out[0] = static_cast<std::uint8_t>(value >> 8);
  out[1] = static_cast<std::uint8_t>(value);
}
inline void store32(std::uint8_t* out, std::uint32_t value) noexcept {
  store16(out, value >> 16);
  store16(out + 2, value & 0xffff);
}
inline std::uint16_t load16(const std::uint8_t* in) noexcept {
  return static_cast<std::uint16_t>(in[0] << 8 | in[1]);
}
inline std::uint32_t load32(const std::uint8_t* in) noexcept {
  return std::uint32_t{load16(in)} << 16 | load16(in + 2);
}

inline std::uint16_t fold(std::uint32_t sum) noexcept {
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum + (sum >> 16));
}
inline std::uint32_t sum_words(const std::uint8_t* in, std::size_t size) noexcept {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < size; i += 2)
    sum += load16(in + i);
  return sum;
}

/// Serial comparison (RFC 1982): a comes after b.
inline bool after(std::uint32_t a, std::uint32_t b) noexcept {
  return static_cast<std::int32_t>(a - b) > 0;
}

/// The 4-tuple of a stream, addresses in host byte order, seen from here.
struct tuple {
  std::uint32_t local_address = 0;
  std::uint32_t remote_address = 0;
  std::uint16_t local_port = 0;
  std::uint16_t remote_port = 0;
};

/// What one read of the TUN gave: a segment, or several equal-sized ones merged.
struct incoming {
  tuple from; ///< local is our side
  std::uint32_t seq = 0;
  std::uint32_t ack_no = 0;
  std::uint8_t flags = 0;
  const std::uint8_t* payload = nullptr;
  std::size_t size = 0;
  std::size_t segment = 0; ///< 0: not merged
};

/// Parses [vnet header | IPv4 | TCP | payload]; nothing for any other packet. Checksums are the
/// kernel's business: it has checked them, or never let the packet leave this host.
inline std::optional<incoming> parse(const std::uint8_t* bytes, std::size_t size) noexcept {
  if (size < vnet_size + headers_size) return std::nullopt;
  const auto* ip = bytes + vnet_size;
  size -= vnet_size;
  const std::size_t ip_length = std::size_t{ip[0] & 0x0fU} * 4;
  const std::size_t total = load16(ip + 2);
  const bool fragment = (load16(ip + 6) & 0x3fff) != 0;
  if (ip[0] >> 4 != 4 || ip[9] != 6 || fragment || ip_length < ip_size || total > size ||
      total < ip_length + tcp_size)
    return std::nullopt;
  const auto* tcp = ip + ip_length;
  const std::size_t tcp_length = std::size_t{tcp[12]} / 16 * 4;
  if (tcp_length < tcp_size || ip_length + tcp_length > total) return std::nullopt;
  incoming got;
  got.from = {load32(ip + 16), load32(ip + 12), load16(tcp + 2), load16(tcp)};
  got.seq = load32(tcp + 4);
  got.ack_no = load32(tcp + 8);
  got.flags = tcp[13];
  got.payload = tcp + tcp_length;
  got.size = total - ip_length - tcp_length;
  if (bytes[1] != 0) got.segment = static_cast<std::size_t>(bytes[4] | bytes[5] << 8);
  return got;
}

} // namespace tonel::bench
