#pragma once

#include "protocol/effects.hpp"
#include "protocol/flow/sequence_space.hpp"
#include "protocol/packet.hpp"
#include "protocol/time.hpp"

#include <chrono>
#include <cstdint>

namespace tonel::protocol::flow {

/// For how long what ICMP says is believed: the path may have become wider.
constexpr duration icmp_belief = std::chrono::minutes{10};

/// The largest datagram that fits into a segment, by what device, peer and ICMP say.
/// Units: octets of IP packets, but for max_datagram()
class path_mtu {
public:
  path_mtu(std::uint16_t device, bool v4) noexcept : device_(device), v4_(v4) { update(); }

  std::uint32_t max_datagram() const noexcept { return max_datagram_; }
  /// That of a whole packet.
  std::uint32_t packet() const noexcept;
  // Each tells whether max_datagram() has moved.
  /// The peer takes no more than this.
  bool peer_takes(std::uint32_t mtu) noexcept;
  /// A believed ICMP names less than what is sent.
  bool heard(std::uint16_t mtu) noexcept;
  /// What ICMP said is too old.
  bool forget() noexcept;

  /// ICMP about a segment of the stream's; believed: it quotes what is under way. True: it names less than
  /// what is sent, and holds for icmp_belief; otherwise it is counted.
  bool on_too_big(const packet_too_big& icmp, bool believed, effects& out) noexcept;

private:
  bool update() noexcept;

  std::uint32_t max_datagram_ = 0;
  std::uint16_t device_;
  std::uint16_t peer_ = 65'535; ///< least of what it has said
  std::uint16_t icmp_ = 65'535;
  bool v4_;
};

/// Where the IPv4 IDs of what is under way lie.
struct ids_under_way {
  std::uint16_t first = 0; ///< of what was sent next when nothing was under way
  std::uint16_t next = 0;  ///< of what is sent next
};

/// Whoever forges an ICMP must know numbers that are under way: the SEQ lies between the highest ack
/// and SND.NXT, and the ack is a recent one. Where a router quotes 8 octets of TCP alone, the IPv4 ID
/// stands in for the ack, which is little: enough only while little is under way.
/// Source: RFC 5927 §4.1
[[nodiscard]] bool quotes_what_is_under_way(const packet_too_big& icmp, const sequence_space& space,
                                            ids_under_way ids) noexcept;

} // namespace tonel::protocol::flow
