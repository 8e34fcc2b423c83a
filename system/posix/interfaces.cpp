#include "system/posix/interfaces.hpp"

#include "system/addresses.hpp"
#include "system/posix/socket_address.hpp"

#include <ifaddrs.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <set>
#include <utility>

namespace tonel::sys {

std::string interface_name(std::uint32_t index) {
  std::array<char, IF_NAMESIZE> name{};
  return ::if_indextoname(index, name.data()) == nullptr ? std::string{} : std::string{name.data()};
}

std::map<std::string, unsigned> interface_flags() {
  std::map<std::string, unsigned> out;
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return out;
  for (const auto* at = all; at != nullptr; at = at->ifa_next) // one entry for each address
    out.emplace(at->ifa_name, at->ifa_flags);
  ::freeifaddrs(all);
  return out;
}

std::string tun_of(const std::string& table) {
  // The name has the device's name, or the address at the other end of the device.
  auto name = table.substr(table.find('_') + 1);
  const auto peer = protocol::ip_address::parse(name);
  return peer ? interface_to_peer(*peer).value_or("") : name;
}

bool is_global(const protocol::ip_address& a) noexcept {
  return a.is_v4() || (a.is_v6() && !(a.data()[0] == 0xfe && (a.data()[1] & 0xc0) == 0x80));
}

void set_mark([[maybe_unused]] int socket, [[maybe_unused]] std::uint32_t mark) noexcept {
#ifdef SO_MARK
  if (mark != 0) ::setsockopt(socket, SOL_SOCKET, SO_MARK, &mark, sizeof mark);
#endif
}

descriptor connected_to(const protocol::endpoint& to, std::uint32_t mark) noexcept {
  auto& k = real_kernel();
  descriptor socket{k, k.socket(to.address.is_v6() ? AF_INET6 : AF_INET, SOCK_DGRAM, 0)};
  if (socket) set_mark(socket.get(), mark);
  socket_address where{};
  const auto size = encode(to, 0, false, where);
  if (socket && k.connect(socket.get(), &where.any, size) < 0) socket.reset();
  return socket;
}

std::string uplink_of(const descriptor& connected) {
  socket_address from{};
  unsigned size = sizeof from;
  if (real_kernel().getsockname(connected.get(), &from.any, &size) < 0) return {};
  return interface_with(decode(from).address).value_or("");
}

result<void> take_interface(rule_plan& plan, const std::string& name) {
  if (::if_nametoindex(name.c_str()) == 0) return unexpected{os_error{ENODEV, "interface", name}};
  plan.interface4 = plan.interface6 = name;
  return {};
}

namespace {

result<std::string> common_interface(const rule_plan& plan, const way_finder& find, bool v6) {
  std::set<std::uint32_t> interfaces;
  for (const auto& remote : plan.remotes) {
    if (!remote.address || remote.address.is_v6() != v6) continue;
    const auto found = find(remote.address, v6);
    if (!found) return unexpected{found.error()};
    if (*found) interfaces.insert(**found);
  }
  if (!interfaces.empty())
    return interfaces.size() == 1 ? interface_name(*interfaces.begin()) : std::string{};
  const auto usual = find({}, v6);
  if (!usual) return unexpected{usual.error()};
  return *usual ? interface_name(**usual) : std::string{};
}

} // namespace

result<void> find_interfaces(rule_plan& plan, const way_finder& find) {
  for (const bool v6 : {false, true}) {
    if (v6 && !plan.peer6) continue;
    auto name = common_interface(plan, find, v6);
    if (!name) return unexpected{name.error()};
    (v6 ? plan.interface6 : plan.interface4) = std::move(*name);
  }
  return {};
}

} // namespace tonel::sys
