#pragma once

#include "protocol/address.hpp"
#include "system/ip_net.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tonel::sys {

/// The kind of NAT between the TUN device and the network.
enum class nat_mode : std::uint8_t {
  conntrack, ///< by the host's connection tracking
  stateless, ///< by rewriting each packet; for hosts with one address, past connection tracking
};

/// A bridge whose frames pass the rules as if they were forwarded packets (br_netfilter). The
/// destination of such a frame is another address than the bridge's own.
struct bridge_facts {
  std::string name;
  std::string address; ///< the bridge's own, "02:00:00:00:00:01"
};

/// What the host forwards of one family for tunnels only. Empty: the host is a router anyway.
struct forwarding_plan {
  std::vector<std::string> on; ///< sysctls that have to be 1
  /// Devices whose packets the kernel forwards because of these sysctls. The rules drop those packets,
  /// except the packets of tunnels.
  std::vector<std::string> closed;
  bool all_closed = false; ///< the rules do so for devices that come later, too
  std::vector<bridge_facts> bridges;
};

/// Which mark connections get that come in by an uplink of the host.
struct uplink_mark {
  std::string device;
  std::uint32_t mark = 0;
};

/// Whom the TCP ports of a server are for, by port; one that isn't there is for all. What comes from
/// others is left to the host.
using port_allowance = std::map<std::uint16_t, std::vector<ip_net>>;

/// The input for the firewall rules of one process.
/// Shape:  an empty interface stands for all but the TUN; host4 and host6 are for
///         nat_mode::stateless only, where an unspecified one leaves its family without NAT
struct rule_plan {
  bool server = false;
  std::string table; ///< this instance's, "tonel_..."; also the tag of iptables' rules
  std::string tun;
  protocol::ip_address peer4, peer6; ///< the program's side of the TUN; peer6 unspecified: no IPv6
  std::string interface4, interface6;
  protocol::ip_address host4, host6;
  nat_mode nat = nat_mode::conntrack;
  std::optional<std::uint32_t> mark;
  std::vector<uplink_mark> uplinks;        ///< server on a host with several; else empty
  std::vector<protocol::endpoint> remotes; ///< client; unspecified address: not resolved yet
  std::vector<std::uint16_t> ports;        ///< server: the TCP ports
  port_allowance allow;                    ///< server
  forwarding_plan forward4, forward6;
  std::vector<std::string> fellows; ///< TUN devices of other instances
};

/// owned: the kernel removes the table with its process, and others cannot change it; shared:
/// neither.
enum class table_kind : std::uint8_t { shared, owned };

/// The nftables statements for a plan: make a table of our own, and fill it anew. They can be run
/// one by one, or as one transaction.
/// Shape:  in order, one statement each, without "nft"
std::vector<std::string> nft_statements(const rule_plan& plan,
                                        table_kind kind = table_kind::shared);

/// The statements that remove a table of this kind; they do not fail if there is none.
std::vector<std::string> nft_removal_statements(std::string_view table,
                                                table_kind kind = table_kind::shared);

/// One rule for iptables or ip6tables.
struct iptables_rule {
  std::string table; ///< "filter"
  std::string chain; ///< "FORWARD"
  std::string match; ///< the rest of the rule, after the chain
};

/// The rules of a plan for iptables (v6: ip6tables), in order; they go in front of the rules of
/// others. Empty for nat_mode::stateless, which iptables cannot do.
std::vector<iptables_rule> iptables_rules(const rule_plan& plan, bool v6);

/// The input of iptables-restore --noflush that replaces all rules with this tag by `rules`.
/// Shape:  saved: the output of iptables-save; the result is empty if nothing has to change
std::string iptables_restore_text(std::string_view saved, std::string_view tag,
                                  const std::vector<iptables_rule>& rules);

/// The lines with this tag in an output of iptables-save.
std::vector<std::string> iptables_lines_of(std::string_view saved, std::string_view tag);

/// Names of the sysctls that have to be 1.
std::vector<std::string> needed_sysctls(const rule_plan& plan);

/// The plan as commands for a POSIX shell, each on one line, in order. Running them twice does no
/// harm, except with iptables, which then has the rules twice.
std::vector<std::string> shell_commands(const rule_plan& plan, bool iptables = false);

} // namespace tonel::sys
