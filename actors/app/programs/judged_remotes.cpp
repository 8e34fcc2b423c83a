#include "actors/app/programs/judged_remotes.hpp"

#include "actors/app/settings/value_rules.hpp"
#include "system/addresses.hpp"
#include "system/kernel.hpp"
#include "system/udp_socket.hpp"

#include <cerrno>
#include <utility>

namespace tonel::actors::app {

namespace {

/// A UDP socket that is connected has had its route looked up, and sends nothing.
bool has_route(const protocol::ip_address& to) {
  constexpr std::uint16_t any_port = 9;
  const auto socket = sys::udp_socket::connect(sys::real_kernel(), {to, any_port}, {});
  if (socket) return true;
  const auto why = socket.error().number;
  return why != ENETUNREACH && why != EHOSTUNREACH && why != EADDRNOTAVAIL && why != EAFNOSUPPORT;
}

} // namespace

ways ways_of_host() { return {has_route, sys::interface_with}; }

judged_remotes judge(const std::vector<protocol::endpoint>& found, role side, const tun_config& tun,
                     const ways& host) {
  judged_remotes out;
  std::vector<protocol::endpoint> without_route;
  const auto remark = [&](const protocol::endpoint& e, const std::string& text) {
    out.remark += (out.remark.empty() ? "" : "; ") + e.address.to_string() + ' ' + text;
  };
  for (const auto& e : found) {
    if (const auto problem = remote_problem(e.address, side, tun); !problem.empty()) {
      remark(e, problem);
    } else if (!host.has_route(e.address)) {
      remark(e, "has no route from this host now, it is tried last");
      without_route.push_back(e);
    } else {
      out.usable.push_back(e);
    }
    if (side == role::server) continue;
    if (const auto device = host.own_device(e.address))
      remark(e, "is an address of this host itself (" + *device +
                    "): tonels has to serve the device " + tun.name +
                    ", as --auto-rule auto does there");
  }
  out.usable.insert(out.usable.end(), without_route.begin(), without_route.end());
  return out;
}

} // namespace tonel::actors::app
