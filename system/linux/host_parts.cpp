#include "system/posix/host_parts.hpp"

#include "system/host_rules.hpp"
#include "system/linux/netlink.hpp"
#include "system/posix/interfaces.hpp"

#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <optional>
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

/// Interfaces whose IPv6 default route would vanish once the host forwards: the kernel removes
/// routes learnt from router advertisements then, unless accept_ra is 2.
std::vector<std::string> learnt_default_interfaces() {
  std::vector<std::string> out;
  auto netlink = route_netlink::open(real_kernel());
  if (!netlink) return out;
  const auto routes = netlink->default_routes(true);
  if (!routes) return out;
  for (const auto& route : *routes) {
    auto name = interface_name(route.index);
    if (route.learnt && !name.empty() && std::find(out.begin(), out.end(), name) == out.end())
      out.push_back(std::move(name));
  }
  return out;
}

} // namespace

result<rule_plan> settle(const rule_request& request) {
  auto plan = request.plan;
  if (request.interface.empty()) return plan;
  auto netlink = route_netlink::open(real_kernel());
  if (!netlink) return unexpected{netlink.error()};
  const auto find = [&](const ip_address& to, bool v6) -> result<std::optional<std::uint32_t>> {
    if (to) return netlink->interface_to(to, plan.mark.value_or(0));
    const auto routes = netlink->default_routes(v6);
    if (!routes) return unexpected{routes.error()};
    if (routes->empty()) return std::nullopt;
    return routes->front().index;
  };
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

std::vector<wanted_sysctl> wanted_sysctls(const rule_plan& plan) {
  std::vector<wanted_sysctl> out;
  // Before forwarding is set, which would remove the route at once.
  if (plan.peer6 && read_sysctl("net.ipv6.conf.all.forwarding").value_or("1") == "0") {
    for (auto interface : learnt_default_interfaces()) {
      std::replace(interface.begin(), interface.end(), '.', '/');
      auto name = "net.ipv6.conf." + interface + ".accept_ra";
      if (read_sysctl(name).value_or("") == "1") out.push_back({std::move(name), "2"});
    }
  }
  for (auto& name : needed_sysctls(plan))
    out.push_back({std::move(name), "1"});
  return out;
}

const char* where_sysctls_stay() noexcept { return "/etc/sysctl.d"; }

} // namespace tonel::sys
