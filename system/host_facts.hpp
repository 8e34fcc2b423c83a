#pragma once

#include "protocol/address.hpp"
#include "system/host_system.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tonel::sys {

/// One interface, as far as a tunnel is concerned.
struct interface_facts {
  std::string name;
  std::uint32_t mtu = 0;
  bool up = false;
  bool loopback = false;
  bool default_route = false;    ///< an IPv4 one
  int rp_filter = 0;             ///< in force: the larger of its own and that of "all"
  std::optional<int> forwarding; ///< IPv4
  std::vector<std::string> off;  ///< of tx, tso, gso and gro (ethtool's names), those that are off
};

/// A program that takes TCP connections.
struct listener_facts {
  std::uint16_t port = 0;
  int pid = 0;         ///< 0: not to be found out
  std::string program; ///< its name
};

/// What macOS' packet filter says of itself.
struct pf_facts {
  bool on = false;
  bool looks_into_anchors = false;  ///< below com.apple, where our rules lie
  std::vector<std::string> anchors; ///< of ours, by their last names: "tonel_utun7"
};

/// What the doctor wants to know of a host. Nothing is changed by asking.
/// Shape: what one system alone has keeps its default on the other
struct host_facts {
  host_system system = host_system::gnu_linux;
  int tun_error = 0;      ///< errno of opening /dev/net/tun
  bool net_admin = false; ///< this process has CAP_NET_ADMIN; macOS: is root's
  /// Programs that were asked for, and whether their files carry that capability.
  std::vector<std::pair<std::string, bool>> programs;
  std::optional<int> forward4, forward6; ///< nothing: the host has no such protocol
  std::vector<interface_facts> interfaces;
  std::string uplink; ///< the interface that packets to the remote leave by; empty: no route
  std::optional<std::uint32_t> path_mtu; ///< to the remote, as far as the kernel knows
  std::string ruleset;          ///< of nftables, as JSON (man 5 libnftables-json); empty: see below
  std::optional<pf_facts> pf;   ///< macOS'; nothing: see below
  std::string ruleset_error;    ///< why neither could be read
  bool legacy_iptables = false; ///< rules that nftables does not see
  bool has_iptables = false;    ///< the command
  std::optional<std::uint64_t> conntrack_count, conntrack_max; ///< nothing: not loaded
  std::optional<int> conntrack_liberal;
  std::vector<listener_facts> listeners; ///< on the port that was asked for
};

/// What to look for.
struct host_question {
  std::optional<protocol::endpoint> remote; ///< nothing: the default route
  std::uint16_t tcp_port = 0;               ///< 0: none
  std::vector<std::string> programs;        ///< paths
};

/// Looks at this host, in this process' network namespace. What cannot be read is left out.
host_facts gather_host_facts(const host_question& question);

} // namespace tonel::sys
