#pragma once

#include "protocol/address.hpp"
#include "protocol/xor_cipher.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tonel::actors {

/// Which end of the tunnel this process is.
enum class role : std::uint8_t { client, server };

/// Which dialect a client speaks: `automatic` tries the native one and falls back to what it finds.
enum class wire_choice : std::uint8_t { automatic, native, tonel, phantun };

/// Bounds on what peers and applications can make this process hold (docs/design.md, "Limits").
/// Shape: max_* but the one per source, and pending_total_bytes, are the process', shared out evenly
///        among its shards
/// Units: counts, octets, seconds
struct limits {
  std::size_t max_sessions = 65'536;
  std::size_t max_sessions_per_source = 0; ///< 0: what sessions_per_source() says
  std::size_t max_opening_sessions = 4'096;
  std::size_t max_new_sessions_per_second = 10'000;
  std::size_t pending_bytes = 262'144;
  std::size_t pending_total_bytes = 16'777'216;
  std::chrono::seconds pending_age{1};
  std::chrono::seconds pending_age_older{3}; ///< for a server of an older dialect
  std::size_t pool_mib = 16; ///< packet buffers of each shard: the one bound that is not shared out
};

/// Which offloads may be used. Each is probed and falls back by itself; false forbids it.
struct offload_switches {
  bool tun = true;     ///< vnet headers with TSO on write and GRO on read
  bool udp_gso = true; ///< UDP_SEGMENT on send
  bool udp_gro = true; ///< UDP_GRO on receive
};

/// A remote that may still have to be resolved.
struct host_port {
  std::string host; ///< name or literal address, brackets removed
  std::uint16_t port = 0;
};

/// One tunnel: what is listened on, where it goes, and how it behaves.
struct tunnel_config {
  std::string name;             ///< of its section; empty: the only one
  protocol::endpoint local_udp; ///< client: the UDP address that applications send to
  std::uint16_t local_port = 0; ///< server: the TCP port that clients connect to
  host_port remote;             ///< client: the server's TCP port; server: the upstream's UDP port
  std::chrono::seconds idle_timeout{180};
  /// A stream lives no longer; 0: as long as it works.
  std::chrono::seconds deadline{0};
  wire_choice wire = wire_choice::automatic; ///< client
  std::size_t streams = 1;                   ///< client: streams a session, 1..255
  std::size_t upstream_ports = 1;            ///< server: UDP source ports a session, 1..255
  bool accept_native = true;                 ///< server: serves clients of this program
  bool accept_legacy = false;                ///< server: serves those of tonel 0.6.1 and phantun
  /// The first segment of each stream's direction, ahead of what the program says itself; none: none.
  std::shared_ptr<const std::vector<std::uint8_t>> handshake_packet;
  /// Applied to datagrams alone, never to what a stream says of itself; none: they go as they are.
  std::shared_ptr<const protocol::xor_cipher> cipher;
};

/// Whether a reload would change nothing about it. Every member counts.
bool same(const tunnel_config& a, const tunnel_config& b);

/// A tunnel at work; never changed. Who it is, the address of its settings tells: a reload puts others
/// in the place of those that it changes.
using tunnel_ptr = std::shared_ptr<const tunnel_config>;

/// "tunnel NAME: " for the log, or nothing where there is only one.
inline std::string label(const tunnel_config& tunnel) {
  return tunnel.name.empty() ? std::string{} : "tunnel " + tunnel.name + ": ";
}

/// The TUN device of the process.
struct tun_config {
  std::string name;                   ///< empty: the kernel picks
  int fd = -1;                        ///< of a device that was opened for us
  protocol::ip_address local4, peer4; ///< the host's and the program's side
  protocol::ip_address local6, peer6; ///< unspecified when IPv6 is off
  bool ipv6 = true;
  bool ipv6_required = false; ///< an IPv6 option was given: a host without IPv6 is then an error
  std::size_t queues = 1;
  std::uint16_t mtu = 1500;
  std::size_t txqueuelen = 2048;
};

/// Everything the actors are started with.
struct config {
  role side = role::client;
  std::vector<tunnel_ptr> tunnels;    ///< no two on one local address or port
  std::chrono::seconds keepalive{20}; ///< client: 0 is off
  tun_config tun;
  limits bounds;
  offload_switches offload;
  std::chrono::microseconds coalesce{
      150}; ///< longest rest after a wake-up that found several; 0: none
};

/// How many sessions one source may have. By default a small share of all at the server, so that it
/// takes many sources to fill that; at the client more than there can be, since they are its own
/// applications'.
std::size_t sessions_per_source(const config& c) noexcept;

} // namespace tonel::actors
