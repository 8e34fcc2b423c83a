#include "system/linux/netlink.hpp"
#include "system/posix/interfaces.hpp"
#include "system/tun_net.hpp"

#include <linux/rtnetlink.h>

namespace tonel::sys {

std::vector<host_net> host_nets(const std::string& own_device) {
  auto out = interface_addresses(own_device);
  auto netlink = route_netlink::open(real_kernel());
  if (!netlink) return out;
  for (const bool v6 : {false, true}) {
    const auto routes = netlink->routes({v6});
    if (!routes) continue; // a host without this family
    for (const auto& r : *routes) {
      if (r.type != RTN_UNICAST || r.to.bits == 0) continue;
      for (const auto& hop : r.hops) {
        auto device = interface_name(hop.index);
        if (device != own_device) out.push_back({r.to, std::move(device), !hop.gateway});
      }
    }
  }
  return out;
}

} // namespace tonel::sys
