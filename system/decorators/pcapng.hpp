#pragma once

#include "protocol/bytes.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tonel::sys::pcapng {

/// What a packet's block says beside its octets.
/// Units: nanoseconds of the wall clock
struct packet_about {
  std::int64_t time = 0;
  bool outbound = false;
  std::uint32_t queue = 0;
  const char* dropped = nullptr; ///< why; null: it was not
};

// Each appends one block, little-endian.
// Source: draft-ietf-opsawg-pcapng §4.1 to §4.3, §4.6; link type 101 of the list of link types

/// The start of a file, and the program that writes it.
void append_section(std::vector<std::uint8_t>& out, const std::string& program);
/// The device that all packets belong to: raw IP, times in nanoseconds.
void append_interface(std::vector<std::uint8_t>& out, const std::string& name);
void append_packet(std::vector<std::uint8_t>& out, const packet_about& about,
                   protocol::byte_view packet);
/// The end: how many packets the device had, and how many of them are not in the file.
void append_statistics(std::vector<std::uint8_t>& out, std::int64_t time, std::uint64_t seen,
                       std::uint64_t lost);
/// What append_statistics() appends.
inline constexpr std::size_t statistics_size = 52;

/// Computes the TCP checksum of a whole IP packet, of one segment or of several merged ones; of
/// others nothing changes.
void complete_checksum(protocol::byte_span packet) noexcept;

} // namespace tonel::sys::pcapng
