#include "system/host_facts.hpp"

#include "system/command.hpp"
#include "system/instance_state.hpp"
#include "system/kernel.hpp"
#include "system/macos/abi.hpp"
#include "system/macos/pf_backend.hpp"
#include "system/macos/routes.hpp"
#include "system/posix/interfaces.hpp"

#include <net/if.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

namespace tonel::sys {

namespace {

std::optional<int> sysctl(const char* name) {
  const auto value = read_sysctl(name);
  if (!value) return {};
  return std::atoi(value->c_str());
}

std::uint32_t mtu_of(kernel& k, int socket, const std::string& name) {
  darwin::ifreq request;
  name.copy(request.name, darwin::name_size - 1);
  if (k.ioctl(socket, darwin::siocgifmtu, &request) < 0) return 0;
  return static_cast<std::uint32_t>(request.value);
}

std::vector<interface_facts> interfaces(std::uint32_t default_route) {
  std::vector<interface_facts> out;
  auto& k = real_kernel();
  const descriptor socket{k, k.socket(AF_INET, SOCK_DGRAM, 0)};
  if (!socket) return out;
  for (const auto& [name, flags] : interface_flags()) {
    interface_facts facts;
    facts.name = name;
    facts.mtu = mtu_of(k, socket.get(), name);
    facts.up = (flags & IFF_UP) != 0;
    facts.loopback = (flags & IFF_LOOPBACK) != 0;
    facts.default_route = default_route != 0 && ::if_nametoindex(name.c_str()) == default_route;
    out.push_back(std::move(facts));
  }
  return out;
}

} // namespace

host_facts gather_host_facts(const host_question& question) {
  host_facts out;
  out.system = this_system();
  // Both a utun and pf are root's, and there is nothing between root and others.
  out.net_admin = ::geteuid() == 0;
  out.forward4 = sysctl("net.inet.ip.forwarding");
  out.forward6 = sysctl("net.inet6.ip6.forwarding");
  std::uint32_t default_route = 0;
  if (auto routes = route_socket::open(real_kernel()))
    default_route = routes->interface_to({}, false).value_or(std::nullopt).value_or(0);
  out.interfaces = interfaces(default_route);
  // An address that no network has (RFC 5737): the way there is the default route.
  const auto anywhere = protocol::endpoint{protocol::ip_address::v4(192, 0, 2, 1), 9};
  if (const auto socket = connected_to(question.remote.value_or(anywhere)))
    out.uplink = uplink_of(socket);
  if (question.remote)
    for (const auto& interface : out.interfaces)
      if (interface.name == out.uplink && interface.mtu != 0) out.path_mtu = interface.mtu;
  if (auto pf = look_at_pf(run_command))
    out.pf = std::move(*pf);
  else
    out.ruleset_error = pf.error().to_string();
  if (question.tcp_port != 0) out.listeners = tcp_listeners({question.tcp_port});
  return out;
}

// No packet has a mark there.
bool drops_marked_answers(const host_question&) { return false; }

} // namespace tonel::sys
