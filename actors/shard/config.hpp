#pragma once

#include "actors/shard/tunnel_config.hpp"
#include "protocol/address.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tonel::actors {

/// Limits on what peers and applications can make this process hold (docs/design.md, "Limits").
/// Shape: max_* (except per source) and pending_total_bytes are for the process, shared evenly
///        among its shards
/// Units: counts, octets, seconds
struct limits {
  std::size_t max_sessions = 65'536;
  std::size_t max_sessions_per_source = 0; ///< 0: see sessions_per_source()
  std::size_t max_opening_sessions = 4'096;
  std::size_t max_new_sessions_per_second = 10'000;
  std::size_t pending_bytes = 262'144;
  std::size_t pending_total_bytes = 16'777'216;
  std::chrono::seconds pending_age{1};
  std::chrono::seconds pending_age_older{3}; ///< for a legacy server
  std::size_t pool_mib = 16;                 ///< packet buffers of each shard; not shared
};

/// The offloads that may be used. Each is probed, and falls back by itself; false forbids it.
struct offload_switches {
  bool tun = true;     ///< vnet headers with TSO on write and GRO on read
  bool udp_gso = true; ///< UDP_SEGMENT on send
  bool udp_gro = true; ///< UDP_GRO on receive
};

/// The TUN device of the process.
struct tun_config {
  std::string name;                      ///< empty: the kernel picks
  int fd = -1;                           ///< of a device opened by another program; -1: none
  protocol::ip_address local4, peer4;    ///< host's and program's side
  protocol::ip_address local6, peer6;    ///< unspecified when IPv6 is off
  bool chosen4 = false, chosen6 = false; ///< addresses of the family are the user's choice
  bool ipv6 = true;
  bool ipv6_required = false; ///< an IPv6 option was given: a host without IPv6 is then an error
  std::size_t queues = 1;
  std::uint16_t mtu = 1500;
  std::size_t txqueuelen = 2048;
};

/// The settings that the actors are started with.
struct config {
  role side = role::client;
  std::vector<tunnel_ptr> tunnels;    ///< each on its own local address or port
  std::chrono::seconds keepalive{20}; ///< client; 0: off
  tun_config tun;
  limits bounds;
  offload_switches offload;
  /// The longest rest after a wake-up that found several datagrams; 0: never rest.
  std::chrono::microseconds coalesce{150};
};

/// The number of sessions that one source may have. By default at a server a small share of all, so
/// that only many sources can fill it; at a client no limit, since sources are its own
/// applications.
std::size_t sessions_per_source(const config& c) noexcept;

} // namespace tonel::actors
