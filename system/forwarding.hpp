#pragma once

#include "system/instance_state.hpp"
#include "system/os_error.hpp"
#include "system/rule_text.hpp"

#include <functional>
#include <string>
#include <vector>

namespace tonel::sys {

/// Reads and writes sysctls; tests give a host in memory.
struct sysctl_access {
  std::function<result<std::string>(const std::string&)> read = read_sysctl;
  std::function<result<void>(const std::string&, const std::string&)> write = write_sysctl;
};

/// The state of a host that decides about forwarding.
struct forwarding_facts {
  std::vector<std::string> devices;   ///< all but loopback
  std::vector<std::string> tuns;      ///< of other instances
  std::vector<sysctl_lease> leases;   ///< of all instances that live in this network namespace
  std::vector<bridge_facts> bridges4; ///< bridges whose IPv4 frames pass the rules
  std::vector<bridge_facts> bridges6;
};

/// Decides which sysctls have to be on, and what the rules have to drop, and adds both to the plan. A
/// host that is a router, or that other programs make one meanwhile, stays a router. Any other host
/// forwards for tunnels only: by device where the kernel can (IPv4; IPv6 since Linux 6.17), and the
/// rules drop whatever else comes in by such a device.
void plan_forwarding(rule_plan& plan, const forwarding_facts& facts, const sysctl_access& host);

/// Whether all sysctls of the plan are on.
bool forwards(const rule_plan& plan, const sysctl_access& host);

/// Switches the sysctls of the plan on, and adds each change to `leases`, once; those of devices that are
/// gone are taken out. Gives a text for each sysctl that cannot be set.
std::vector<std::string> switch_on(const rule_plan& plan, const std::vector<std::string>& devices,
                                   std::vector<sysctl_lease>& leases, const sysctl_access& host);

/// Whether other programs have made the host a router meanwhile: this change is then not to be undone.
bool overtaken(const sysctl_lease& lease, const sysctl_access& host);

} // namespace tonel::sys
