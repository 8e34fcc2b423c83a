#pragma once

#include "protocol/address.hpp"
#include "system/host_system.hpp"
#include "system/tcp_ports.hpp"
#include "system/tun_net.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tonel::sys {

/// The facts about an interface that matter to a tunnel.
struct interface_facts {
  std::string name;
  std::uint32_t mtu = 0;
  bool up = false;
  bool loopback = false;
  bool wireguard = false;
  bool default_route = false;    ///< has an IPv4 default route
  int rp_filter = 0;             ///< the value in force: the larger of its own and that of "all"
  std::optional<int> forwarding; ///< of IPv4
  std::vector<std::string> off;  ///< offloads that are off: tx, tso, gso, gro (ethtool's names)
};

/// The state of macOS' packet filter.
struct pf_facts {
  bool on = false;
  bool looks_into_anchors = false;  ///< evaluates anchors below com.apple, where our rules are
  std::vector<std::string> anchors; ///< last names of our anchors: "tonel_utun7"
};

/// The facts about a host that tonelctl doctor needs. Gathering them changes nothing.
/// Shape: facts of the other operating system keep their defaults
struct host_facts {
  host_system system = host_system::gnu_linux;
  int tun_error = 0;      ///< errno of opening /dev/net/tun
  bool net_admin = false; ///< this process has CAP_NET_ADMIN; macOS: is root
  /// The programs of the question, and whether their files have that capability.
  std::vector<std::pair<std::string, bool>> programs;
  std::optional<int> forward4, forward6; ///< none: the host does not have the protocol
  bool forwards6_by_device = false;      ///< the uplink does, whatever the host does (Linux 6.17)
  std::vector<interface_facts> interfaces;
  std::string uplink; ///< interface by which packets to the remote leave; empty: no route
  std::optional<std::uint32_t> path_mtu; ///< to the remote, octets; none: the kernel does not know
  /// Of nftables without tables of tonel, as JSON (man 5 libnftables-json); empty: unknown
  std::string ruleset;
  std::vector<std::string> own_tables; ///< of tonel: "tonel_tonel0"
  /// What iptables has, as JSON of nftables: more exact than what nftables shows of it.
  std::vector<std::string> iptables;
  std::optional<pf_facts> pf;   ///< of macOS; none: unknown
  std::string ruleset_error;    ///< why ruleset or pf could not be read
  bool legacy_iptables = false; ///< rules that nftables does not see, and nobody could read
  bool has_iptables = false;    ///< the command iptables is installed
  std::optional<std::uint64_t> conntrack_count, conntrack_max; ///< none: conntrack is not loaded
  std::optional<int> conntrack_liberal;
  std::vector<listener_facts> listeners; ///< on the port of the question
  /// The mark that a rule of policy routing spares the uplink ("not fwmark 51820 lookup 51820"), as a
  /// VPN for all traffic has one; none: no such rule leads there.
  std::optional<std::uint32_t> spared_mark;
  std::vector<host_net> nets; ///< of devices other than the question's
};

/// What to look at.
struct host_question {
  std::optional<protocol::endpoint> remote; ///< none: the default route
  std::uint32_t mark = 0;                   ///< of the packets to the remote; 0: none
  std::uint16_t tcp_port = 0;               ///< whose listeners to find; 0: none
  std::string tun;                          ///< the program's own device; empty: unknown
  std::vector<std::string> programs;        ///< paths of programs
};

/// Gathers facts about this host, in this process' network namespace. Unreadable facts are left
/// out.
host_facts gather_host_facts(const host_question& question);

/// Whether this host drops the answers to what its own sockets send with the question's mark: by a strict
/// rp_filter, since without the mark the way back is another. Rules that keep marks of connections,
/// as tonel's do, spare theirs.
bool drops_marked_answers(const host_question& question);

} // namespace tonel::sys
