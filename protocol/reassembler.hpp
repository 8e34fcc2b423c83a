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
/// Units: host byte order; octets; `offset` counts in what follows the IP header
struct fragment_repr {
  ip_address source;
  ip_address destination;
  std::uint16_t id = 0;
  std::uint16_t header = 0; ///< of IP
  std::uint16_t offset = 0;
  std::uint16_t length = 0;
  bool last = false;
  four_tuple tuple; ///< of the first fragment, which alone has the ports; local is the destination

  bool first() const noexcept { return offset == 0; }
};

/// Parses what parse_packet has called a fragment; the header's checksum was looked at there.
/// Errors: fragment for one that can't be part of a TCP packet: of another protocol or IP version, a
///         first one without all of TCP's fixed header (RFC 1858 §3), a length that no fragment has,
///         beyond 65,535 octets, or not a fragment at all
/// Source: RFC 791 §3.1, §3.2
[[nodiscard]] expected<fragment_repr, errc> parse_fragment(byte_view packet) noexcept;

/// Puts packets together from their fragments. Where a connection tracker runs, it has done so
/// already, and the kernel has cut the packet anew on its way to the TUN device: the fragments come in
/// order, and whole or not at all. So the order is demanded here, and with it there are neither holes
/// nor overlaps: what does not begin where the one before it ended loses its packet (RFC 5722 §3).
/// Shape:  at most `places` packets under way, each of at most `largest` octets and for `patience`; of
///         more the oldest goes. A first fragment begins its packet anew
/// Owns:   the octets of packets under way and of the last one that was whole
class reassembler {
public:
  static constexpr std::size_t places = 16;
  static constexpr std::size_t largest =
      16'384; ///< more than any link's packet, jumbo frames included
  static constexpr duration patience = std::chrono::seconds{1};

  struct outcome {
    byte_view packet; ///< whole, and no fragment any more; valid until the next take(); or empty
    std::uint32_t dropped = 0; ///< fragments that are lost: this one, or those of packets given up
    std::uint16_t piece = 0; ///< octets of the whole packet's largest fragment, IP header included
  };

  /// `packet` is what `fragment` was parsed from.
  outcome take(const fragment_repr& fragment, byte_view packet, time_point now);

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

  /// Fragments that it had.
  static std::uint32_t give_up(place& p) noexcept;
  place& begin(const fragment_repr& fragment, byte_view packet, time_point now, outcome& out);

  std::array<place, places> places_;
};

} // namespace tonel::protocol
