#include "system/tun_net.hpp"

#include <array>
#include <cstdint>

namespace tonel::sys {

namespace {

using protocol::ip_address;

// Two nets of half of all addresses each are what some VPNs have in place of a default route.
constexpr unsigned fewest_bits = 2;

/// The n-th pair after the usual one; 0 is that itself; none: there are no more.
std::optional<tun_ends> nth(const tun_ends& usual, unsigned n) {
  const auto moved = [n](const ip_address& a) -> std::optional<ip_address> {
    if (a.is_v6()) {
      constexpr unsigned nets = 64;
      if (n >= nets) return {};
      std::array<std::uint8_t, 16> octets{};
      std::copy(a.data(), a.data() + octets.size(), octets.begin());
      octets[7] = static_cast<std::uint8_t>(octets[7] + n);
      return ip_address::v6(octets.data());
    }
    // In steps of two: a server's usual net is the one after a client's.
    const unsigned in_block = (256u - a.data()[2] + 1) / 2;
    constexpr std::array<std::array<std::uint8_t, 2>, 3> blocks{{{192, 168}, {172, 31}, {10, 231}}};
    if (n >= in_block * blocks.size()) return {};
    const auto& block = blocks[n / in_block];
    return ip_address::v4(block[0], block[1],
                          static_cast<std::uint8_t>(a.data()[2] + 2 * (n % in_block)), a.data()[3]);
  };
  const auto local = moved(usual.local), peer = moved(usual.peer);
  if (!local || !peer) return {};
  return tun_ends{*local, *peer};
}

} // namespace

std::optional<net_overlap> overlap_of(const tun_ends& ends, const std::vector<host_net>& taken) {
  std::optional<net_overlap> found;
  for (const auto& one : taken)
    for (const auto& address : {ends.local, ends.peer})
      if (one.net.bits >= fewest_bits && one.net.holds(address) &&
          (!found || one.net.bits > found->with.net.bits))
        found = net_overlap{address, one};
  return found;
}

std::optional<tun_ends> first_free(const tun_ends& usual, const std::vector<host_net>& taken) {
  for (unsigned n = 0;; ++n) {
    const auto ends = nth(usual, n);
    if (!ends || !overlap_of(*ends, taken)) return ends;
  }
}

} // namespace tonel::sys
