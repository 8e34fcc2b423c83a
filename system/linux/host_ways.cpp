#include "system/host_ways.hpp"

#include "system/linux/netlink.hpp"
#include "system/posix/interfaces.hpp"

#include <linux/rtnetlink.h>

#include <algorithm>
#include <utility>

namespace tonel::sys {

namespace {

/// The numbers of the interfaces with addresses that others reach.
result<std::vector<std::uint32_t>> addressed(route_netlink& netlink) {
  const auto addresses = netlink.addresses(0);
  if (!addresses) return unexpected{addresses.error()};
  std::vector<std::uint32_t> out;
  for (const auto& a : *addresses)
    if (is_global(a.local) && !a.local.is_loopback() &&
        std::find(out.begin(), out.end(), a.index) == out.end())
      out.push_back(a.index);
  return out;
}

} // namespace

result<way_facts> find_ways(const std::vector<protocol::ip_address>& remotes,
                            std::optional<std::uint32_t> mark) {
  auto netlink = route_netlink::open(real_kernel());
  if (!netlink) return unexpected{netlink.error()};
  way_facts out;
  for (const auto& remote : remotes) {
    const auto found = netlink->route_to(remote, mark.value_or(0));
    auto& one = out.ways.emplace_back();
    one.remote = remote;
    if (!found || !*found) continue; // a host without the family has no way either
    const auto& way = **found;
    one.inside = way.type == RTN_LOCAL;
    one.source = one.inside && !way.source ? remote : way.source;
    one.device = way.hops.front().index;
    one.name = interface_name(one.device);
  }
  auto devices = addressed(*netlink);
  if (!devices) return unexpected{devices.error()};
  const auto first = [&](std::uint32_t index) {
    const auto there = std::find(devices->begin(), devices->end(), index);
    if (there != devices->end()) std::rotate(devices->begin(), there, there + 1);
  };
  for (const bool v6 : {true, false})
    if (const auto defaults = netlink->default_routes(v6); defaults && !defaults->empty())
      first(defaults->front().hops.front().index);
  for (const auto index : *devices)
    if (auto name = interface_name(index); !name.empty()) out.devices.push_back(std::move(name));
  return out;
}

} // namespace tonel::sys
