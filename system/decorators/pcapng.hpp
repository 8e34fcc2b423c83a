#pragma once

#include "protocol/bytes.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tonel::sys::pcapng {

/// The fields of a packet's block besides its octets.
/// Units: nanoseconds of the wall clock
struct packet_about {
  std::int64_t time = 0;
  bool outbound = false;
  std::uint32_t queue = 0;
  const char* dropped = nullptr; ///< reason of a drop; null: not dropped
};

// Each function appends one block, little-endian.
// Source: draft-ietf-opsawg-pcapng §4.1 to §4.3, §4.6; link type 101 of the list of link types

/// The start of a file, with the program that writes it.
void append_section(std::vector<std::uint8_t>& out, const std::string& program);
/// The device of all packets: raw IP, times in nanoseconds.
void append_interface(std::vector<std::uint8_t>& out, const std::string& name);
void append_packet(std::vector<std::uint8_t>& out, const packet_about& about,
                   protocol::byte_view packet);
/// The end: the number of packets of the device, and of those that are not in the file.
void append_statistics(std::vector<std::uint8_t>& out, std::int64_t time, std::uint64_t seen,
                       std::uint64_t lost);
/// The octets that append_statistics() appends.
inline constexpr std::size_t statistics_size = 52;

/// Completes the TCP checksum of a whole IP packet, of one segment or several merged ones. Does not
/// change other packets.
void complete_checksum(protocol::byte_span packet) noexcept;

} // namespace tonel::sys::pcapng
