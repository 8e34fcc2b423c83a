#pragma once

#include "actors/shard/option_row.hpp"
#include "protocol/address.hpp"
#include "protocol/ip_net.hpp"
#include "protocol/xor_cipher.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace tonel::actors {

/// The dialect of a client; `automatic` tries native, and falls back to the dialect that it finds.
enum class wire_choice : std::uint8_t { automatic, native, tonel, phantun };

/// A remote before its name is resolved.
struct host_port {
  std::string host; ///< name or literal address, brackets removed
  std::uint16_t port = 0;
};

/// One tunnel: its local address, its remote and its options. Each member has a row below, which is
/// all that an option of a tunnel needs besides its use.
struct tunnel_config {
  std::string name;             ///< name of its section; empty: the only tunnel
  protocol::endpoint local_udp; ///< client: the UDP address that applications send to
  std::uint16_t local_port = 0; ///< server: the TCP port that clients connect to
  host_port remote;             ///< client: the server's TCP port; server: the upstream's UDP port
  std::chrono::seconds resolve_interval{60}; ///< between two questions for the remote's name
  std::chrono::seconds idle_timeout{180};
  wire_choice wire = wire_choice::automatic; ///< client
  std::size_t streams = 1;                   ///< client: streams a session, 1..255
  std::size_t upstream_ports = 1;            ///< server: UDP source ports a session, 1..255
  bool accept_native = true;                 ///< server: serves native clients
  bool accept_legacy = false;                ///< server: serves tonel 0.6.1 and phantun clients
  std::vector<protocol::ip_net> allow;       ///< server: sources that are served; none: all
  /// The longest life of a stream; 0: no limit.
  std::chrono::seconds deadline{0};
  /// The first segment of each direction of a stream, ahead of all others; null: none.
  std::shared_ptr<const std::vector<std::uint8_t>> handshake_packet;
  /// Changes datagrams only, never control; null: datagrams are sent as they are.
  std::shared_ptr<const protocol::xor_cipher> cipher;
};

/// Stands for the tunnel's local address, a different member for each program.
struct local_members {
  friend constexpr bool operator!=(local_members, local_members) { return false; }
};
/// Stands for the two members that say which clients a server serves.
struct accept_members {
  friend constexpr bool operator!=(accept_members, accept_members) { return false; }
};

/// The member of a row; its type decides how it is read, shown and compared. If the row's argument
/// is a PATH, the value is the content of the file.
using tunnel_member =
    std::variant<local_members, accept_members, host_port tunnel_config::*,
                 std::chrono::seconds tunnel_config::*, std::size_t tunnel_config::*,
                 wire_choice tunnel_config::*, std::vector<protocol::ip_net> tunnel_config::*,
                 std::shared_ptr<const std::vector<std::uint8_t>> tunnel_config::*,
                 std::shared_ptr<const protocol::xor_cipher> tunnel_config::*>;

/// An option of a tunnel, with the member that holds its value.
struct tunnel_row {
  option_row option;
  tunnel_member member;
};

/// Every option of a tunnel, in the order of reading and listing.
inline constexpr tunnel_row tunnel_rows[] = {
    {option_row{"local",
                {"IP:PORT", "PORT"},
                {},
                {"UDP address that the applications send to, for example 127.0.0.1:51820 or "
                 "[::1]:51820. Required",
                 "TCP port that the clients connect to. Required"}}
         .with_letter('l')
         .of_tunnel(),
     local_members{}},
    {option_row{
         "remote",
         "HOST:PORT",
         {},
         {"the server: a name, an IPv4 address or an [IPv6] address, and its TCP port. "
          "Required",
          "where the datagrams go: a name, an IPv4 address or an [IPv6] address, and its UDP "
          "port. Required"}}
         .with_letter('r')
         .of_tunnel(),
     &tunnel_config::remote},
    {option_row{"resolve-interval", "SECONDS", "60",
                "ask again for the addresses of --remote's name after so long; 0: only where an "
                "address does not answer, and at SIGHUP"}
         .within(0, 86'400)
         .of_tunnel(),
     &tunnel_config::resolve_interval},
    {option_row{"idle-timeout", "SECONDS", "180",
                "close a session that carried no datagram for so long"}
         .within(1, 604'800)
         .of_tunnel(),
     &tunnel_config::idle_timeout},
    {option_row{"wire",
                "DIALECT",
                {"auto", ""},
                {"what to speak: native, tonel (a server of version 0.6.1), phantun (a server of "
                 "that program), or auto: native where the server can, else what it is found to "
                 "speak",
                 "not used: each client chooses. Accepted so that both sides can share their "
                 "options"}}
         .one_of("auto native tonel phantun ")
         .of_tunnel(used_by::client),
     &tunnel_config::wire},
    {option_row{
         "tcp-connections",
         "N",
         "1",
         {"connections of each session, for paths that throttle each connection by itself; "
          "datagrams are spread over them, and may overtake each other",
          "not used: each client says how many it has. Accepted so that both sides can share "
          "their options"}}
         .within(1, 255)
         .of_tunnel(used_by::client),
     &tunnel_config::streams},
    {option_row{"udp-connections",
                "N",
                "1",
                {"not used: sockets on one address cannot share the datagrams of an application. "
                 "Accepted so that both sides can share their options",
                 "UDP source ports of each session, for upstreams that spread their work by port; "
                 "runs of datagrams go out from one after the other"}}
         .within(1, 255)
         .of_tunnel(),
     &tunnel_config::upstream_ports},
    {option_row{"accept",
                "LIST",
                "native",
                {"not used: what a server accepts. Accepted so that both sides can share their "
                 "options",
                 "clients that are served, joined by commas: native (tonelc of this version), "
                 "legacy (those of tonel 0.6.1 and of phantun; either name means both). All of "
                 "them share the port. Older clients prove 16 bits, which can be guessed: serve "
                 "them only where there are some"}}
         .one_of("native legacy native,legacy ")
         .of_tunnel(),
     accept_members{}},
    {option_row{"allow",
                "CIDR[,CIDR...]",
                {},
                {"not used: whom a server serves. Accepted so that both sides can share their "
                 "options",
                 "addresses that clients come from, joined by commas: 192.0.2.0/24, 2001:db8::/32, "
                 "or one address. Others get no answer of any kind from tonels, and the firewall "
                 "rules leave their packets to the host. Not given: all"}}
         .of_tunnel(used_by::server),
     &tunnel_config::allow},
    {option_row{"deadline",
                "SECONDS",
                {},
                {"longest life of a connection; a new one takes its place some seconds before, "
                 "without loss. Not given: as long as it works",
                 "longest life of a connection, for clients that don't limit it themselves; the "
                 "client opens another at once. Not given: as long as it works"}}
         .within(1, 31'536'000)
         .of_tunnel(),
     &tunnel_config::deadline},
    {option_row{"handshake-packet",
                "PATH",
                {},
                "file whose content goes ahead on every connection, for networks that judge it by "
                "its first packet; it must fit one packet. None is better than one that starts "
                "like TLS, HTTP or another protocol which the rest is not"}
         .of_tunnel(),
     &tunnel_config::handshake_packet},
    {option_row{"encryption",
                "xor:KEY",
                {},
                "combine every datagram with KEY, letters taken as small ones; the same on both "
                "sides. Changes how datagrams look and protects nothing: whoever looks can undo it"}
         .hidden()
         .of_tunnel(),
     &tunnel_config::cipher},
    {option_row{"encryption-file",
                "PATH",
                {},
                "the same, xor:KEY being the content of a file that others cannot read"}
         .of_tunnel(),
     &tunnel_config::cipher},
};

/// Whether two tunnels are equal for a reload: in name and in every row.
bool same(const tunnel_config& a, const tunnel_config& b);

/// The options that they differ in, joined by commas; empty: none.
std::string changed_options(const tunnel_config& before, const tunnel_config& after);

/// A running tunnel. Its settings never change, and their address identifies it: a reload replaces
/// the tunnels that it changes.
using tunnel_ptr = std::shared_ptr<const tunnel_config>;

/// "tunnel NAME: " for the log; empty for an only tunnel.
inline std::string label(const tunnel_config& tunnel) {
  return tunnel.name.empty() ? std::string{} : "tunnel " + tunnel.name + ": ";
}

} // namespace tonel::actors
