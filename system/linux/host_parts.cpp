#include "system/posix/host_parts.hpp"

#include "system/addresses.hpp"
#include "system/forwarding.hpp"
#include "system/host_rules.hpp"
#include "system/linux/netlink.hpp"
#include "system/posix/interfaces.hpp"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace tonel::sys {

namespace {

using protocol::ip_address;

result<ip_address> host_address(route_netlink& netlink, const std::string& interface, bool v6) {
  if (interface.empty()) return ip_address{};
  const auto addresses = netlink.addresses(::if_nametoindex(interface.c_str()));
  if (!addresses) return unexpected{addresses.error()};
  for (const auto& a : *addresses)
    if (a.local.is_v6() == v6 && is_global(a.local)) return a.local;
  return ip_address{};
}

bool passes_rules(const char* sysctl) { return read_sysctl(sysctl).value_or("") == "1"; }

/// Gives nothing for a device that is no bridge.
std::optional<bridge_facts> as_bridge(int socket, const std::string& device) {
  if (driver_of(device) != "bridge") return {};
  ifreq request{};
  std::strncpy(request.ifr_name, device.c_str(), sizeof request.ifr_name - 1);
  if (::ioctl(socket, SIOCGIFHWADDR, &request) != 0) return {};
  std::array<char, 18> text{};
  const auto* octets = reinterpret_cast<const std::uint8_t*>(request.ifr_hwaddr.sa_data);
  std::snprintf(text.data(), text.size(), "%02x:%02x:%02x:%02x:%02x:%02x", octets[0], octets[1],
                octets[2], octets[3], octets[4], octets[5]);
  return bridge_facts{device, text.data()};
}

std::vector<std::string> devices() {
  std::vector<std::string> out;
  for (const auto& [name, flags] : interface_flags())
    if ((flags & IFF_LOOPBACK) == 0) out.push_back(name);
  return out;
}

} // namespace

std::optional<std::string> driver_of(const std::string& interface) {
  const descriptor socket{real_kernel(), real_kernel().socket(AF_INET, SOCK_DGRAM, 0)};
  ethtool_drvinfo driver{};
  driver.cmd = ETHTOOL_GDRVINFO;
  ifreq request{};
  std::strncpy(request.ifr_name, interface.c_str(), sizeof request.ifr_name - 1);
  request.ifr_data = reinterpret_cast<char*>(&driver);
  if (!socket || ::ioctl(socket.get(), SIOCETHTOOL, &request) != 0) return {};
  return std::string{driver.driver};
}

result<rule_plan> settle(const rule_request& request) {
  auto plan = request.plan;
  if (request.interface.empty()) return plan;
  auto netlink = route_netlink::open(real_kernel());
  if (!netlink) return unexpected{netlink.error()};
  const auto find = [&](const ip_address& to, bool v6) -> result<std::optional<std::uint32_t>> {
    if (to) {
      const auto way = netlink->way_to(to, plan.mark.value_or(0));
      if (!way) return unexpected{way.error()};
      if (!*way) return std::nullopt;
      return (*way)->index;
    }
    const auto routes = netlink->default_routes(v6);
    if (!routes) return unexpected{routes.error()};
    if (routes->empty()) return std::nullopt;
    return routes->front().hops.front().index;
  };
  plan.uplinks = uplink_marks(plan);
  // Who tracks connections lets them pass by all of several uplinks, and by those that come later.
  if (request.interface == "auto" && plan.nat == nat_mode::conntrack) return plan;
  const auto set = request.interface == "auto" ? find_interfaces(plan, find)
                                               : take_interface(plan, request.interface);
  if (!set) return unexpected{set.error()};
  if (plan.nat != nat_mode::stateless) return plan;
  for (const bool v6 : {false, true}) {
    if (v6 && !plan.peer6) continue;
    auto address = host_address(*netlink, v6 ? plan.interface6 : plan.interface4, v6);
    if (!address) return unexpected{address.error()};
    (v6 ? plan.host6 : plan.host4) = *address;
  }
  if (!plan.host4 && !plan.host6)
    return unexpected{os_error{EADDRNOTAVAIL, "--nat stateless", "no address of this host"}};
  return plan;
}

void plan_forwarding(rule_plan& plan, const std::vector<instance_record>& living,
                     const std::vector<std::string>& tables) {
  forwarding_facts facts;
  facts.devices = devices();
  std::set<std::string> instances{tables.begin(), tables.end()}, tuns;
  for (const auto& record : living) {
    instances.insert(record.table);
    facts.leases.insert(facts.leases.end(), record.leases.begin(), record.leases.end());
  }
  instances.erase(plan.table);
  for (const auto& table : instances)
    if (auto tun = tun_of(table); !tun.empty()) tuns.insert(std::move(tun));
  facts.tuns.assign(tuns.begin(), tuns.end());
  const descriptor socket{real_kernel(), real_kernel().socket(AF_INET, SOCK_DGRAM, 0)};
  const bool v4 = passes_rules("net.bridge.bridge-nf-call-iptables");
  const bool v6 = passes_rules("net.bridge.bridge-nf-call-ip6tables");
  for (const auto& device : facts.devices) {
    if (!v4 && !v6) break;
    const auto bridge = as_bridge(socket.get(), device);
    if (bridge && v4) facts.bridges4.push_back(*bridge);
    if (bridge && v6) facts.bridges6.push_back(*bridge);
  }
  plan_forwarding(plan, facts, sysctl_access{});
}

bool forwards(const rule_plan& plan) { return forwards(plan, sysctl_access{}); }

std::vector<std::string> switch_on(const rule_plan& plan, std::vector<sysctl_lease>& leases) {
  return switch_on(plan, devices(), leases, sysctl_access{});
}

bool overtaken(const sysctl_lease& lease) { return overtaken(lease, sysctl_access{}); }

} // namespace tonel::sys
