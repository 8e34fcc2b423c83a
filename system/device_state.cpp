#include "system/device_state.hpp"

#include <algorithm>

namespace tonel::sys {

std::vector<device_repair> judge_device(const device_wanted& wanted, const device_found& found) {
  using kind = device_repair::kind;
  if (!found.there) return {{kind::make_again, {}}};
  std::vector<device_repair> out;
  if (found.name != wanted.name) out.push_back({kind::rename, {}});
  if (found.mtu != wanted.mtu) out.push_back({kind::set_mtu, {}});
  // A longer or shorter queue is somebody's choice; none drops all that comes in.
  if (found.txqueuelen == 0 && wanted.txqueuelen != 0) out.push_back({kind::set_queue, {}});
  if (!found.up) out.push_back({kind::set_up, {}});
  for (const auto& a : wanted.addresses) {
    const auto& there = found.addresses;
    if (std::find(there.begin(), there.end(), a.local) == there.end())
      out.push_back({kind::address, a}); // which brings its route
    else if (found.up && std::none_of(found.routes.begin(), found.routes.end(),
                                      [&](const ip_net& net) { return net.holds(a.peer); }))
      out.push_back({kind::route, a});
  }
  return out;
}

std::string what_happened(const device_repair& repair, const device_found& found) {
  using kind = device_repair::kind;
  switch (repair.what) {
  case kind::make_again: return "it was deleted";
  case kind::rename: return "it was renamed " + found.name;
  case kind::set_mtu: return "its MTU was set to " + std::to_string(found.mtu);
  case kind::set_queue: return "its queue was set to 0 packets";
  case kind::set_up: return "it was set down";
  case kind::address: return "its address " + repair.where.local.to_string() + " was removed";
  case kind::route: return "its route to " + repair.where.peer.to_string() + " was removed";
  }
  return {};
}

} // namespace tonel::sys
