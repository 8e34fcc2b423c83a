#pragma once

#include "protocol/address.hpp"
#include "protocol/bytes.hpp"
#include "protocol/errc.hpp"
#include "protocol/expected.hpp"
#include "protocol/time.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tonel::protocol {

/// One fragment of an IPv4 packet that carries TCP.
/// Units: host byte order; octets; `offset` counts from the end of the IP header
struct fragment_repr {
  ip_address source;
  ip_address destination;
  std::uint16_t id = 0;
  std::uint16_t header = 0; ///< octets of the IP header
  std::uint16_t offset = 0;
  std::uint16_t length = 0;
  bool last = false;
  four_tuple tuple; ///< set in a first fragment, which alone has the ports; local: destination

  bool first() const noexcept { return offset == 0; }
};

/// Parses a packet that parse_packet has called a fragment, which has checked the header's
/// checksum.
/// Errors: fragment: it cannot be part of a TCP packet: another protocol or IP version, a first
///         fragment without all of TCP's fixed header (RFC 1858 §3), an impossible length, beyond
///         65,535 octets, or no fragment at all; count and drop
/// Source: RFC 791 §3.1, §3.2
[[nodiscard]] expected<fragment_repr, errc> parse_fragment(byte_view packet) noexcept;

/// Reassembles packets from fragments. The host's connection tracker has done so already, and the
/// kernel has cut the packet again on its way to the TUN device, so the fragments come in order,
/// and completely or not at all. Therefore a fragment has to begin where the one before it ended,
/// which excludes holes and overlaps; any other loses its packet (RFC 5722 §3).
/// Shape:  at most `places` packets under way, each of at most `largest` octets and for `patience`;
///         the oldest is dropped for a further one. A first fragment begins its packet anew
/// Owns:   the octets of packets under way and of the last whole packet
class reassembler {
public:
  static constexpr std::size_t places = 16;
  static constexpr std::size_t largest = 16'384; ///< octets; more than any jumbo frame
  static constexpr duration patience = std::chrono::seconds{1};

  struct outcome {
    byte_view packet; ///< the whole packet, valid until the next take(); empty: not whole yet
    std::uint32_t dropped = 0; ///< fragments dropped: this one, or those of packets given up
    std::uint16_t piece = 0;   ///< octets of the packet's largest fragment, with its IP header
  };

  /// Takes a fragment. packet: the packet that `fragment` was parsed from
  outcome take(const fragment_repr& fragment, byte_view packet, time_point now);

  /// The number of packets that are not whole yet.
  std::size_t under_way() const noexcept;

private:
  struct place {
    ip_address source, destination;
    std::uint16_t id = 0;
    std::uint16_t header = 0;
    std::uint16_t piece = 0;
    std::uint32_t fragments = 0; ///< 0: free
    time_point since{};
    std::vector<std::uint8_t> octets; ///< the IP packet so far

    bool holds(const fragment_repr& f) const noexcept {
      return fragments != 0 && id == f.id && source == f.source && destination == f.destination;
    }
  };

  /// Frees a place; gives the number of its fragments.
  static std::uint32_t give_up(place& p) noexcept;
  place& begin(const fragment_repr& fragment, byte_view packet, time_point now, outcome& out);

  std::array<place, places> places_;
};

} // namespace tonel::protocol
