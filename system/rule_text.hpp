#pragma once

#include "protocol/address.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tonel::sys {

/// How addresses are translated between the TUN device and the network.
enum class nat_mode : std::uint8_t {
  conntrack, ///< by the host's connection tracking
  stateless, ///< by rewriting each packet; for hosts with one address, past connection tracking
};

/// Everything that the firewall rules of one process depend on.
/// Shape:  an interface that is empty stands for all but the TUN; host4 and host6 matter with
///         nat_mode::stateless alone, where none means that the family is not translated
struct rule_plan {
  bool server = false;
  std::string table; ///< of this instance, "tonel_..."; also the tag of iptables' rules
  std::string tun;
  protocol::ip_address peer4, peer6; ///< the program's addresses; peer6 none: no IPv6
  std::string interface4, interface6;
  protocol::ip_address host4, host6;
  nat_mode nat = nat_mode::conntrack;
  std::optional<std::uint32_t> mark;
  std::vector<protocol::endpoint> remotes; ///< client; without an address: not resolved yet
  std::vector<std::uint16_t> ports;        ///< server: the TCP ports
};

/// Whether the kernel takes the table away with the process that made it, and keeps others off.
enum class table_kind : std::uint8_t { shared, owned };

/// The statements for nftables that make the tunnels work: an own table, filled anew. They can be run
/// one by one or, being in order, as one transaction.
/// Shape:  one statement each, without "nft"
std::vector<std::string> nft_statements(const rule_plan& plan,
                                        table_kind kind = table_kind::shared);

/// The statements that take a table of this kind away; they do not fail where there is none.
std::vector<std::string> nft_removal_statements(std::string_view table,
                                                table_kind kind = table_kind::shared);

/// One rule for iptables or ip6tables.
struct iptables_rule {
  std::string table; ///< "filter"
  std::string chain; ///< "FORWARD"
  std::string match; ///< all that follows the chain
};

/// The same for iptables (v6: ip6tables), in order; they go in front of the rules of others. Stateless
/// translation is not among what iptables can do: empty then.
std::vector<iptables_rule> iptables_rules(const rule_plan& plan, bool v6);

/// What iptables-restore --noflush takes to replace all rules with this tag by these.
/// Shape:  saved is what iptables-save printed; the result is empty when there is nothing to do
std::string iptables_restore_text(std::string_view saved, std::string_view tag,
                                  const std::vector<iptables_rule>& rules);

/// The lines of iptables-save with this tag.
std::vector<std::string> iptables_lines_of(std::string_view saved, std::string_view tag);

/// The sysctls that have to be 1.
std::vector<std::string> needed_sysctls(const rule_plan& plan);

/// The plan as commands for a POSIX shell, each on one line, in order. Running them again changes
/// nothing, but for iptables, which has no such commands.
std::vector<std::string> shell_commands(const rule_plan& plan, bool iptables = false);

} // namespace tonel::sys
