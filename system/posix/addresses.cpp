#include "system/addresses.hpp"

#include "system/posix/socket_address.hpp"
#include "system/tun_net.hpp"

#include <ifaddrs.h>

#include <cstring>
#include <memory>

namespace tonel::sys {

namespace {

/// Visits the address that `pick` takes from the entry of each interface's address, until `visit` says
/// no.
template <class Pick, class Visit> void each_address(Pick pick, Visit visit) {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return;
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner{list, ::freeifaddrs};
  for (const auto* each = list; each != nullptr; each = each->ifa_next) {
    const sockaddr* found = pick(*each);
    if (found == nullptr) continue;
    const auto family = found->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    socket_address a{};
    std::memcpy(&a, found, family == AF_INET ? sizeof a.v4 : sizeof a.v6);
    if (!visit(decode(a).address, each->ifa_name)) return;
  }
}

const sockaddr* own(const ifaddrs& each) { return each.ifa_addr; }
const sockaddr* other_end(const ifaddrs& each) { return each.ifa_dstaddr; }

template <class Pick>
std::optional<std::string> interface_where(const protocol::ip_address& address, Pick pick) {
  std::optional<std::string> found;
  each_address(pick, [&](const protocol::ip_address& a, const char* name) {
    if (a == address) found = name;
    return !found;
  });
  return found;
}

} // namespace

std::optional<std::string> interface_with(const protocol::ip_address& address) {
  return interface_where(address, own);
}

std::optional<std::string> interface_to_peer(const protocol::ip_address& address) {
  return interface_where(address, other_end);
}

std::vector<host_net> interface_addresses(const std::string& own_device) {
  std::vector<host_net> out;
  each_address(own, [&](const protocol::ip_address& a, const char* name) {
    if (own_device != name) out.push_back({{a, static_cast<unsigned>(8 * a.size())}, name, true});
    return true;
  });
  return out;
}

} // namespace tonel::sys
