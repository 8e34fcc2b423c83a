#pragma once

#include "protocol/effects.hpp"
#include "protocol/flow/sequence_space.hpp"
#include "protocol/packet.hpp"
#include "protocol/time.hpp"

#include <chrono>
#include <cstdint>

namespace tonel::protocol::flow {

/// How long an MTU of ICMP is believed: the path's MTU may grow later.
constexpr duration icmp_belief = std::chrono::minutes{10};

/// The largest datagram that fits into a segment, by the MTUs of device, peer and ICMP.
/// Units: octets of IP packets, except max_datagram()
class path_mtu {
public:
  /// device: its MTU; v4: the stream is over IPv4
  path_mtu(std::uint16_t device, bool v4) noexcept : device_(device), v4_(v4) { update(); }

  std::uint32_t max_datagram() const noexcept { return max_datagram_; }
  /// The largest IP packet.
  std::uint32_t packet() const noexcept;
  // True: max_datagram() has changed.
  /// The peer's MTU.
  bool peer_takes(std::uint32_t mtu) noexcept;
  /// A believed ICMP message has this MTU.
  bool heard(std::uint16_t mtu) noexcept;
  /// The MTU of ICMP is too old.
  bool forget() noexcept;

  /// An ICMP message about a segment of the stream. believed: it quotes numbers that are under way.
  /// True: it has lowered the MTU; call forget() after icmp_belief. False: it is counted as
  /// dropped.
  bool on_too_big(const packet_too_big& icmp, bool believed, effects& out) noexcept;

private:
  bool update() noexcept;

  std::uint32_t max_datagram_ = 0;
  std::uint16_t device_;
  std::uint16_t peer_ = 65'535; ///< the peer's least MTU so far
  std::uint16_t icmp_ = 65'535;
  bool v4_;
};

/// The range of IPv4 IDs under way.
struct ids_under_way {
  std::uint16_t first = 0; ///< of the next segment when nothing was under way last
  std::uint16_t next = 0;  ///< of the next segment now
};

/// Whether an ICMP message quotes a segment under way: its SEQ lies between the highest ack and
/// SND.NXT, and its ack is a recent one. A forger would have to guess both. If a router quotes only
/// 8 octets of TCP, the IPv4 ID stands in for the ack; its few bits suffice only while little is
/// under way.
/// Source: RFC 5927 §4.1
[[nodiscard]] bool quotes_what_is_under_way(const packet_too_big& icmp, const sequence_space& space,
                                            ids_under_way ids) noexcept;

} // namespace tonel::protocol::flow
