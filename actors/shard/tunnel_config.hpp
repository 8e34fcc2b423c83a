#pragma once

#include "actors/shard/option_row.hpp"
#include "protocol/address.hpp"
#include "protocol/xor_cipher.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace tonel::actors {

/// Which dialect a client speaks: `automatic` tries the native one and falls back to what it finds.
enum class wire_choice : std::uint8_t { automatic, native, tonel, phantun };

/// A remote that may still have to be resolved.
struct host_port {
  std::string host; ///< name or literal address, brackets removed
  std::uint16_t port = 0;
};

/// One tunnel: what is listened on, where it goes, and how it behaves. Each member has a row below,
/// which is all that there is to an option of a tunnel beside its use.
struct tunnel_config {
  std::string name;             ///< of its section; empty: the only one
  protocol::endpoint local_udp; ///< client: the UDP address that applications send to
  std::uint16_t local_port = 0; ///< server: the TCP port that clients connect to
  host_port remote;             ///< client: the server's TCP port; server: the upstream's UDP port
  std::chrono::seconds idle_timeout{180};
  wire_choice wire = wire_choice::automatic; ///< client
  std::size_t streams = 1;                   ///< client: streams a session, 1..255
  std::size_t upstream_ports = 1;            ///< server: UDP source ports a session, 1..255
  bool accept_native = true;                 ///< server: serves clients of this program
  bool accept_legacy = false;                ///< server: serves those of tonel 0.6.1 and phantun
  /// A stream lives no longer; 0: as long as it works.
  std::chrono::seconds deadline{0};
  /// The first segment of each stream's direction, ahead of what the program says itself; none: none.
  std::shared_ptr<const std::vector<std::uint8_t>> handshake_packet;
  /// Applied to datagrams alone, never to what a stream says of itself; none: they go as they are.
  std::shared_ptr<const protocol::xor_cipher> cipher;
};

/// The address of a tunnel on this host: another member for either program.
struct local_members {
  friend constexpr bool operator!=(local_members, local_members) { return false; }
};
/// Whom a server serves: two members.
struct accept_members {
  friend constexpr bool operator!=(accept_members, accept_members) { return false; }
};

/// The member that a row is about; of its type are reading, showing and comparing. With a row whose
/// argument is a PATH the value is what the file holds.
using tunnel_member =
    std::variant<local_members, accept_members, host_port tunnel_config::*,
                 std::chrono::seconds tunnel_config::*, std::size_t tunnel_config::*,
                 wire_choice tunnel_config::*,
                 std::shared_ptr<const std::vector<std::uint8_t>> tunnel_config::*,
                 std::shared_ptr<const protocol::xor_cipher> tunnel_config::*>;

struct tunnel_row {
  option_row option;
  tunnel_member member;
};

/// Every option of a tunnel, in the order in which they are read, and listed.
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

/// Whether a reload would change nothing about it: every row counts, and the name.
bool same(const tunnel_config& a, const tunnel_config& b);

/// A tunnel at work; never changed. Who it is, the address of its settings tells: a reload puts others
/// in the place of those that it changes.
using tunnel_ptr = std::shared_ptr<const tunnel_config>;

/// "tunnel NAME: " for the log, or nothing where there is only one.
inline std::string label(const tunnel_config& tunnel) {
  return tunnel.name.empty() ? std::string{} : "tunnel " + tunnel.name + ": ";
}

} // namespace tonel::actors
